/* SPDX-License-Identifier: Dual BSD/GPL
 * Why packets are dropped, and how that is told: a counter for each reason, and an event with the flow.
 */
#pragma once

#include "net.h"

/*
 * One reason a line, its comment is what users read: harness/mesh/drops.py takes both from this file.
 * Numbers are only ever added, so that a recorded event keeps its meaning.
 */
enum drop_reason {
	DROP_NONE = 0, /* not dropped */
	DROP_POLICY_EGRESS = 1, /* a policy isolates the sender's egress and no rule allows this flow */
	DROP_POLICY_INGRESS = 2, /* a policy isolates the receiver's ingress and no rule allows this flow */
	DROP_NO_POLICY = 3, /* the pod, or its identity, is not in the mesh's tables: fail closed */
	DROP_SPOOFED_SOURCE = 4, /* the source address does not belong to where the packet came from */
	DROP_TRUNCATED = 5, /* a header is cut short */
	DROP_MALFORMED = 6, /* a header contradicts itself */
	DROP_LINK_PROTOCOL = 7, /* neither IPv4, IPv6 nor the pod's own ARP */
	DROP_EXTENSION_HEADERS = 8, /* more IPv6 extension headers than are walked, or one that routes */
	DROP_FRAGMENT_UNKNOWN = 9, /* a later fragment whose first fragment was not allowed or is not known */
	DROP_FRAGMENT_TINY = 10, /* a fragment cuts or overlaps the transport header */
	DROP_TCP_FLAGS = 11, /* a combination of TCP flags that no stack sends */
	DROP_UNSOLICITED = 12, /* a reply to which no request is known */
	DROP_ICMP_UNRELATED = 13, /* an ICMP error about no allowed flow */
	DROP_ICMP_TYPE = 14, /* an ICMP type that pods have no use for */
	DROP_NOT_UNICAST = 15, /* the destination is not one host */
	DROP_REVOKED = 16, /* an open connection that the policy no longer allows */
	DROP_DENIED_EGRESS = 17, /* a rule denies the sender's egress this flow, whatever else allows it */
	DROP_DENIED_INGRESS = 18, /* a rule denies the receiver's ingress this flow, whatever else allows it */
	DROP_PAST_PROXY = 19, /* a flow whose requests are judged by the node's proxy came past it */
	DROP_REASONS
};

enum direction {
	EGRESS = 0,
	INGRESS = 1,
};

/* Mirrored by harness/mesh/layout.py; a test compares it with the object's BTF. */
struct drop_event {
	__u64 time; /* ns of CLOCK_MONOTONIC */
	struct address source;
	struct address destination;
	__u32 source_identity; /* 0 where it was not looked up */
	__u32 destination_identity;
	__u32 rule; /* that denies, or the policy that isolates; 0 for none */
	__u32 generation; /* whose table numbers the rule */
	__u32 ifindex;
	__be16 source_port;
	__be16 destination_port;
	__u8 family;
	__u8 protocol;
	__u8 reason;
	__u8 direction;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} drops SEC(".maps");

/* Events that found the ring full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

/* An event to be filled and given to report_drop(), or NULL: then it is counted as lost. */
static __always_inline struct drop_event *drop_event(void)
{
	struct drop_event *event = bpf_ringbuf_reserve(&events, sizeof(struct drop_event), 0);
	__u32 first = 0;
	__u64 *lost;

	if (!event) {
		lost = bpf_map_lookup_elem(&lost_events, &first);
		if (lost)
			*lost += 1;
	}
	return event;
}

/* No wake-up: readers drain on demand and now and then, and a wake-up per event costs up to 63 % of throughput. */
static __always_inline void report_drop(struct drop_event *event)
{
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

static __always_inline void count_drop(__u32 reason)
{
	__u64 *count = bpf_map_lookup_elem(&drops, &reason);

	if (count)
		*count += 1;
}
