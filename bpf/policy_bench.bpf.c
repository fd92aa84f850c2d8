/* SPDX-License-Identifier: Dual BSD/GPL
 * Never attached: measures the mesh's judging over many flows by BPF_PROG_TEST_RUN (tests/benchmarks/policy_program.py).
 *
 * A test run repeats one packet; these programs turn it into another flow at each repetition and then do what from_pod
 * does. `rewrite_only` is the cost of the rewriting, to be shown beside the others.
 */
#include "handle.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct bench_setup {
	__u32 next; /* number of the flow that the next repetition makes */
	__u32 flows; /* after so many it begins again */
	__u32 sources; /* 10.0.0.0 and on */
	__u32 destinations; /* 10.1.0.0 and on */
	__u32 tcp_flags;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bench_setup);
} bench_setup SEC(".maps");

struct frame {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static __always_inline bool rewrite(struct __sk_buff *skb)
{
	__u32 first = 0, number;
	struct bench_setup *setup = bpf_map_lookup_elem(&bench_setup, &first);
	struct frame *frame = packet_begin(skb);

	if (!setup || (void *)(frame + 1) > packet_end(skb))
		return false;
	number = setup->next++;
	if (setup->next >= setup->flows)
		setup->next = 0;
	/* Neighbouring numbers differ in source, destination and port, as packets of many clients do. */
	frame->ip.saddr = bpf_htonl(0x0A000000 + number % setup->sources);
	frame->ip.daddr = bpf_htonl(0x0A010000 + number / setup->sources % setup->destinations);
	frame->ip.ttl = 64;
	frame->tcp.source = bpf_htons(number / setup->sources);
	((__u8 *)&frame->tcp)[13] = setup->tcp_flags;
	return true;
}

SEC("tc")
int rewrite_only(struct __sk_buff *skb)
{
	return rewrite(skb) ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc")
int rewrite_and_judge(struct __sk_buff *skb)
{
	return rewrite(skb) ? handle(skb, FROM_POD) : TC_ACT_SHOT;
}
