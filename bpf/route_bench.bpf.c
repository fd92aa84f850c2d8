/* SPDX-License-Identifier: Dual BSD/GPL
 * Never attached: has BPF_PROG_TEST_RUN ask where a request to a Service may go, and draw (tests/integration/bpf/test_bpf_routes.py).
 */
#include "l7_judge.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define UNREAD (-1)

struct route_setup {
	struct l7_tuple tuple; /* from whom, for draws */
	__u32 table;
	__u32 headers; /* whether the table asks for any */
	struct l7_means means; /* what was found */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct route_setup);
} route_setup SEC(".maps");

/* The packet is a request: enum l7_count, or UNREAD. */
SEC("tc")
int route(struct __sk_buff *skb)
{
	__u32 first = 0, read = skb->len;
	struct route_setup *setup = bpf_map_lookup_elem(&route_setup, &first);
	struct l7_means means = {};
	struct reading *r;
	int found = UNREAD;

	if (!setup)
		return UNREAD;
	r = reading_begin();
	if (!r)
		return UNREAD;
	r->asked = setup->headers ? setup->table : 0;
	if (load_packet(skb, 0, r->bytes, read, HEAD_BYTES) && read_head(r, read, HEAD_METHOD) && !r->head.odd)
		found = route_request(r->place, setup->table, &means);
	reading_end(r);
	setup->means = means;
	return found;
}

/* The port of the backend that was drawn, negative: enum l7_count, why none was. */
SEC("tc")
int draw_backend(struct __sk_buff *skb)
{
	__u32 first = 0, slow;
	struct route_setup *setup = bpf_map_lookup_elem(&route_setup, &first);
	struct l7_pair pair = {};
	struct l7_means means;
	struct l7_tuple tuple;

	if (!setup)
		return UNREAD;
	means = setup->means;
	tuple = setup->tuple;
	slow = draw(&tuple, &means, 1, &pair);
	return slow == L7_FAST ? bpf_ntohs(pair.backend_port) : -(int)slow;
}
