/* SPDX-License-Identifier: Dual BSD/GPL
 * From a parsed packet to what becomes of it: conntrack first, policy where conntrack does not know.
 */
#pragma once

#include "conntrack.h"
#include "drop.h"
#include "forward.h"
#include "fragment.h"
#include "policy.h"
#include "proxy.h"

/* Where a program is attached. */
enum point {
	FROM_POD, /* tc ingress of the node's end of a pod's veth */
	TO_POD, /* tc egress of the same: what the node's stack delivers */
	FROM_WIRE, /* tc ingress of a wire from another node */
};

/* Everything about a drop that the packet itself does not say. */
struct cause {
	__u32 reason;
	__u32 rule;
	__u32 generation;
	__u32 source_identity;
	__u32 destination_identity;
	__u32 direction;
};

/* This and other functions are global, so that the verifier walks each once; such cannot trust their pointers. */
__noinline int drop(struct __sk_buff *skb, const struct packet *p, const struct cause *cause)
{
	struct drop_event *event;

	if (!p || !cause)
		return TC_ACT_SHOT;
	count_drop(cause->reason);
	event = drop_event();
	if (!event)
		return TC_ACT_SHOT;
	event->time = bpf_ktime_get_ns();
	event->source = p->source;
	event->destination = p->destination;
	event->source_identity = cause->source_identity;
	event->destination_identity = cause->destination_identity;
	event->rule = cause->rule & ~RULE_REQUESTS;
	event->generation = cause->generation;
	event->ifindex = skb->ifindex;
	event->source_port = p->source_port;
	event->destination_port = p->destination_port;
	event->family = p->family;
	event->protocol = p->protocol;
	event->reason = cause->reason;
	event->direction = cause->direction;
	event->pad = 0;
	report_drop(event);
	return TC_ACT_SHOT;
}

/* Whether a packet with the source `from` may come from where this one came. */
static __always_inline int check_source(struct __sk_buff *skb, const struct endpoint *from, __u32 point)
{
	struct hop *hop;

	if (point == TO_POD)
		return DROP_NONE; /* was checked where it entered the node */
	if (point == FROM_WIRE) {
		if (!from)
			return DROP_NONE;
		if (from->flags & (ENDPOINT_LOCAL | ENDPOINT_HOST))
			return DROP_SPOOFED_SOURCE;
		hop = find_hop(from->hop);
		return hop && hop->ifindex && hop->ifindex != arrived_by(skb) ? DROP_SPOOFED_SOURCE : DROP_NONE;
	}
	if (!from || !(from->flags & ENDPOINT_LOCAL))
		return DROP_SPOOFED_SOURCE;
	hop = find_hop(from->hop);
	return hop && hop->ifindex == arrived_by(skb) ? DROP_NONE : DROP_SPOOFED_SOURCE;
}

/* Fail closed: the interface of a pod is there before the mesh knows whose it is, and may be there after it. */
static __always_inline int check_destination(const struct endpoint *to, __u32 point)
{
	return point == TO_POD && !(to && to->flags & ENDPOINT_LOCAL) ? DROP_NO_POLICY : DROP_NONE;
}

/* Who opened the flow of a packet. */
enum orientation {
	FORWARD, /* its source */
	REVERSE, /* its destination */
};

/* What rules ask of the port of a flow; of ICMP its type, and no other type than this opens a flow (parse_icmp). */
static __always_inline __be16 judged_port(const struct packet *p, __u32 orientation)
{
	if (p->protocol == IPPROTO_ICMP)
		return bpf_htons(8);
	if (p->protocol == IPPROTO_ICMPV6)
		return bpf_htons(128);
	return orientation == FORWARD ? p->destination_port : p->source_port;
}

static __always_inline struct judgement judge_oriented(const struct packet *p, __u32 generation, __u32 orientation,
						       const struct endpoint *from, const struct endpoint *to)
{
	struct flow flow = {
		.source = orientation == FORWARD ? &p->source : &p->destination,
		.destination = orientation == FORWARD ? &p->destination : &p->source,
		.destination_port = judged_port(p, orientation),
		.family = p->family,
		.protocol = p->protocol,
	};

	return judge_flow(generation, &flow, orientation == FORWARD ? from : to, orientation == FORWARD ? to : from);
}

/* Where the ports begin that Linux gives to clients (net.ipv4.ip_local_port_range). */
#define CLIENT_PORTS 32768

/*
 * Whether a segment of unknown direction may be an answer at all: clients use ports that servers do not listen on.
 * Else who was revoked could go on, once its entry is lost, wherever the other end may open connections to it.
 */
static __always_inline bool may_answer(const struct packet *p)
{
	return bpf_ntohs(p->source_port) < CLIENT_PORTS || bpf_ntohs(p->destination_port) >= CLIENT_PORTS;
}

/* The orientation of a flow that conntrack does not know. */
#define UNKNOWN (-1)

/*
 * Judges a packet that conntrack does not settle; `known` is its flow's orientation, if an entry of an older
 * generation has it. Returns the orientation in which it is allowed, or UNKNOWN with the cause.
 *
 * A packet that opens a flow is judged as such. TCP in mid-stream may belong to a flow of either direction: the
 * stacks at its ends only take it if they have the connection, whose SYN was judged in its own direction
 * (docs/decisions/0014).
 */
static __always_inline int judge_packet(const struct packet *p, const struct endpoint *from, const struct endpoint *to,
					int known, struct cause *cause)
{
	int orientation = known != UNKNOWN ? known : p->kind == PACKET_ANSWERS ? REVERSE : FORWARD;
	struct judgement judgement;

	if (known == UNKNOWN && p->kind == PACKET_ANSWERS && p->protocol != IPPROTO_TCP) {
		cause->reason = DROP_UNSOLICITED;
		return UNKNOWN;
	}
	judgement = judge_oriented(p, cause->generation, orientation, from, to);
	cause->reason = judgement.reason;
	cause->rule = judgement.rule;
	cause->direction = judgement.direction;
	if (!judgement.reason)
		return orientation;
	if (known != UNKNOWN) {
		cause->reason = DROP_REVOKED;
		return UNKNOWN;
	}
	if (p->kind == PACKET_CONTINUES && may_answer(p)) {
		judgement = judge_oriented(p, cause->generation, REVERSE, from, to);
		if (!judgement.reason) {
			cause->rule = judgement.rule;
			return REVERSE;
		}
	}
	return UNKNOWN;
}

/* The orientation that a live entry of any generation gives a packet. */
static __always_inline int ct_orientation(const struct ct_found *found, const struct packet *p, __u32 side, __u32 now)
{
	if (!found->ways || ct_expired(found->ways, found->way, now) ||
	    (p->protocol == IPPROTO_TCP && p->kind == PACKET_OPENS))
		return UNKNOWN;
	return ct_initiator(found->verdict) == side ? FORWARD : REVERSE;
}

/* A packet whose flow has no entry of this generation: what is known of it, and then what was found. */
struct unsettled {
	__u64 verdict; /* found: what conntrack is to remember, 0 for nothing */
	__u32 generation;
	__s32 known; /* its flow's orientation if an older entry has it */
	__u32 side; /* source_side() */
	__u16 hop; /* found: where the packet goes */
	__u16 state; /* found: of the flow */
};

enum judged {
	ALLOWED,
	DROPPED,
	REVOKED, /* and dropped: the policy no longer allows the known flow */
};

/* Judges such a packet. */

__noinline int first_packet(struct __sk_buff *skb, const struct packet *p, __u32 point, struct unsettled *u)
{
	struct cause cause = {.direction = point == FROM_POD ? EGRESS : INGRESS};
	__u32 source_hop, destination_hop, initiator;
	struct endpoint *from, *to;
	int orientation;

	if (!p || !u)
		return DROPPED;
	u->verdict = 0;
	u->hop = 0;
	cause.generation = u->generation;
	from = find_endpoint(u->generation, p->family, &p->source);
	to = find_endpoint(u->generation, p->family, &p->destination);
	cause.source_identity = from ? from->identity : IDENTITY_WORLD;
	cause.destination_identity = to ? to->identity : IDENTITY_WORLD;
	cause.reason = check_source(skb, from, point);
	if (!cause.reason)
		cause.reason = check_destination(to, point);
	if (cause.reason) {
		drop(skb, p, &cause);
		return DROPPED;
	}
	/* The node's own traffic, and what only passes through it. */
	if (point == FROM_WIRE ? !to || !(to->flags & ENDPOINT_LOCAL) : to && to->flags & ENDPOINT_HOST)
		return ALLOWED;
	/* No entry, for it would exempt whoever sends from the node's address by the wire. */
	if (from && from->flags & ENDPOINT_HOST)
		return ALLOWED;
	orientation = judge_packet(p, from, to, u->known, &cause);
	if (orientation == UNKNOWN) {
		drop(skb, p, &cause);
		return cause.reason == DROP_REVOKED ? REVOKED : DROPPED;
	}
	source_hop = from ? from->hop : 0;
	destination_hop = to ? to->hop : 0;
	initiator = orientation == FORWARD ? u->side : !u->side;
	u->hop = destination_hop;
	u->state = ct_first_state(p, orientation == REVERSE);
	u->verdict = ct_verdict(u->generation, u->side ? destination_hop : source_hop,
				u->side ? source_hop : destination_hop, initiator);
	if (is_proxied(skb, p, cause.rule & RULE_REQUESTS))
		u->verdict |= CT_PROXIED;
	return ALLOWED;
}

/* A packet of a live entry still has to come from where the entry says that its source is. */
static __always_inline bool comes_from(struct __sk_buff *skb, __u64 verdict, __u32 side, __u32 point)
{
	struct hop *hop = find_hop(ct_hop(verdict, point == TO_POD ? !side : side));

	if (!hop)
		return false;
	/* Where it entered the node its destination may still have been nobody's, or another node's. */
	if (point == TO_POD)
		return hop->kind == HOP_POD;
	return hop->ifindex == arrived_by(skb) || (point == FROM_WIRE && !hop->ifindex);
}

/* To the node's stack, whose rules know the proxy. What it would send on into a pod has not met the proxy: fail closed. */
__noinline int hand_to_proxy(struct __sk_buff *skb, const struct packet *p, __u32 point)
{
	struct cause cause = {
		.reason = DROP_PAST_PROXY,
		.generation = current_generation(),
		.direction = INGRESS,
	};

	if (!p || point == TO_POD)
		return drop(skb, p, &cause);
	skb->mark = PROXY_MARK;
	return TC_ACT_OK;
}

/* What becomes of a packet that parsed well and is neither an ICMP error nor neighbour discovery. */
__noinline int decide(struct __sk_buff *skb, const struct packet *p, __u32 point)
{
	__u32 generation = current_generation(), now = ct_now(), side, hop;
	struct ct_found found;
	__u64 verdict;
	int judged;

	if (!p)
		return TC_ACT_SHOT;
	side = source_side(p);
	found = ct_find(p, side);
	if (likely(ct_settles(&found, p, side, generation, now) && comes_from(skb, found.verdict, side, point))) {
		ct_note(&found, p, ct_initiator(found.verdict) != side, now);
		hop = ct_hop(found.verdict, !side);
		verdict = found.verdict;
	} else {
		struct unsettled unsettled = {
			.generation = generation,
			.side = side,
			.known = ct_orientation(&found, p, side, now),
		};

		judged = first_packet(skb, p, point, &unsettled);
		if (judged == REVOKED && found.ways)
			ct_revoke(&found, p, now);
		if (judged != ALLOWED)
			return TC_ACT_SHOT;
		if (unsettled.verdict)
			ct_store(p, side, found.set, unsettled.verdict, unsettled.state, now);
		hop = unsettled.hop;
		verdict = unsettled.verdict;
	}
	if (unlikely(p->flags & FRAGMENT_FIRST))
		fragment_remember(p);
	if (unlikely(verdict & CT_PROXIED))
		return hand_to_proxy(skb, p, point);
	return point == TO_POD ? TC_ACT_OK : forward(skb, p, find_hop(hop));
}
