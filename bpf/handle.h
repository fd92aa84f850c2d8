/* SPDX-License-Identifier: Dual BSD/GPL
 * From a frame to its verdict: what each of the mesh's programs does with a packet.
 */
#pragma once

#include "icmp.h"
#include "verdict.h"

__noinline int refuse(struct __sk_buff *skb, const struct packet *p, __u32 reason, __u32 point)
{
	struct cause cause = {
		.reason = reason,
		.generation = current_generation(),
		.direction = point == FROM_POD ? EGRESS : INGRESS,
	};
	struct endpoint *to;

	if (!p)
		return TC_ACT_SHOT;
	/* What is not for a pod of this node is not the mesh's to refuse. */
	if (point == FROM_WIRE) {
		to = p->family ? find_endpoint(cause.generation, p->family, &p->destination) : NULL;
		if (p->family && !(to && to->flags & ENDPOINT_LOCAL))
			return TC_ACT_OK;
	}
	return drop(skb, p, &cause);
}

/* Neighbour discovery stays on the link; pods ask and answer, only routers advertise themselves or redirect. */
__noinline int decide_neighbour(struct __sk_buff *skb, const struct packet *p, __u32 point)
{
	bool link_local, unspecified;
	int reason;

	if (!p)
		return TC_ACT_SHOT;
	link_local = (p->source.word[0] & bpf_htonl(0xFFC00000)) == bpf_htonl(0xFE800000);
	unspecified = !(p->source.word[0] | p->source.word[1] | p->source.word[2] | p->source.word[3]);
	if (point == FROM_WIRE)
		return TC_ACT_OK;
	if (p->icmp_type == 134)
		return refuse(skb, p, DROP_ICMP_TYPE, point);
	if (link_local || unspecified)
		return TC_ACT_OK;
	reason = check_source(skb, find_endpoint(current_generation(), FAMILY_6, &p->source), point);
	return reason ? refuse(skb, p, reason, point) : TC_ACT_OK;
}

struct arp_ipv4 {
	__u8 header[8];
	__u8 sender_mac[6];
	__u8 sender_ip[4];
	__u8 target_mac[6];
	__u8 target_ip[4];
};

/* A pod may ask and answer for its own address only. */
__noinline int decide_arp(struct __sk_buff *skb)
{
	struct packet p = {.family = FAMILY_4};
	struct arp_ipv4 arp;
	int reason = DROP_TRUNCATED;

	if (!bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp))) {
		__builtin_memcpy(&p.source.word[0], arp.sender_ip, 4);
		__builtin_memcpy(&p.destination.word[0], arp.target_ip, 4);
		reason = check_source(skb, find_endpoint(current_generation(), FAMILY_4, &p.source), FROM_POD);
	}
	return reason ? refuse(skb, &p, reason, FROM_POD) : TC_ACT_OK;
}

static __always_inline int decide_parsed(struct __sk_buff *skb, struct packet *p, int reason, __u32 point)
{
	if (unlikely(!reason && p->flags & FRAGMENT_LATER))
		reason = fragment_resolve(p);
	if (unlikely(reason))
		return refuse(skb, p, reason, point);
	if (unlikely(p->kind == PACKET_NEIGHBOUR))
		return decide_neighbour(skb, p, point);
	if (point == FROM_POD && unlikely(!is_unicast(p)))
		return refuse(skb, p, DROP_NOT_UNICAST, point);
	if (unlikely(p->kind == PACKET_ERROR))
		return decide_error(skb, p, point);
	return decide(skb, p, point);
}

static __always_inline int handle(struct __sk_buff *skb, __u32 point)
{
	struct packet p = {};
	struct ethhdr *ethernet;

	pull_headers(skb);
	ethernet = packet_begin(skb);
	if ((void *)(ethernet + 1) > packet_end(skb))
		return refuse(skb, &p, DROP_TRUNCATED, point);
	if (ethernet->h_proto == bpf_htons(ETH_P_IP) && !skb->vlan_present)
		return decide_parsed(skb, &p, parse_v4(skb, &p), point);
	if (ethernet->h_proto == bpf_htons(ETH_P_IPV6) && !skb->vlan_present)
		return decide_parsed(skb, &p, parse_v6(skb, &p), point);
	if (point != FROM_POD)
		return TC_ACT_OK; /* to the node's own stack, or from it */
	if (ethernet->h_proto == bpf_htons(ETH_P_ARP) && !skb->vlan_present)
		return decide_arp(skb);
	return refuse(skb, &p, DROP_LINK_PROTOCOL, point);
}
