/* SPDX-License-Identifier: Dual BSD/GPL
 * Sends an allowed packet on its way as the node's routing would, without a pass through the node's stack.
 * What routing has to answer or look into (TTL, size, options) is left to it, and so is what it would refuse: a frame that
 * is not for this node, a wrong header checksum (RFC 1812 sections 5.3.4 and 5.2.2).
 */
#pragma once

#include "identity.h"
#include "packet.h"

/* Whether the packet, or each of the segments that it will be cut into, fits the hop. */
static __always_inline bool fits(struct __sk_buff *skb, const struct packet *p, const struct hop *hop)
{
	if (skb->gso_size)
		return p->transport - ETH_HLEN + p->header + skb->gso_size <= hop->mtu;
	return skb->len - ETH_HLEN <= hop->mtu;
}

/* A header without options. */
static __always_inline bool sums_up(const struct iphdr *ip)
{
	const __u32 *word = (const __u32 *)ip;
	__u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];

	sum = (sum & 0xFFFFFFFF) + (sum >> 32);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	return (sum & 0xFFFF) + (sum >> 16) == 0xFFFF;
}

static __always_inline bool route_v4(struct __sk_buff *skb, const struct hop *hop)
{
	void *data = packet_begin(skb);
	struct iphdr *ip = data + ETH_HLEN;
	__u32 check;

	if ((void *)(ip + 1) > packet_end(skb) || unlikely(!sums_up(ip)))
		return false;
	__builtin_memcpy(data, hop->destination_mac, 12);
	ip->ttl--;
	check = ip->check + bpf_htons(0x0100); /* RFC 1141 */
	ip->check = check + (check >= 0xFFFF);
	return true;
}

static __always_inline bool route_v6(struct __sk_buff *skb, const struct hop *hop)
{
	void *data = packet_begin(skb);
	struct ipv6hdr *ip = data + ETH_HLEN;

	if ((void *)(ip + 1) > packet_end(skb))
		return false;
	__builtin_memcpy(data, hop->destination_mac, 12);
	ip->hop_limit--;
	/* No checksum covers the hop limit, but a whole-packet sum taken by a network card does. */
	bpf_csum_update(skb, bpf_htons((__u16)~0x0001));
	return true;
}

static __always_inline int forward(struct __sk_buff *skb, const struct packet *p, const struct hop *hop)
{
	if (unlikely(!hop || hop->kind == HOP_STACK || p->ttl <= 1 || p->flags & FOR_STACK || skb->pkt_type != PACKET_HOST ||
		     !fits(skb, p, hop)))
		return TC_ACT_OK;
	if (p->family == FAMILY_4 ? !route_v4(skb, hop) : !route_v6(skb, hop))
		return TC_ACT_OK;
	return hop->kind == HOP_POD ? bpf_redirect_peer(hop->ifindex, 0) : bpf_redirect(hop->ifindex, 0);
}
