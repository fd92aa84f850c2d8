/* SPDX-License-Identifier: Dual BSD/GPL
 * From bytes to the fields that are judged. Every length comes from the packet and is checked before use.
 */
#pragma once

#include "drop.h"
#include "net.h"

/* How a packet is to be judged. */
enum packet_kind {
	PACKET_OPENS, /* may start a flow: every datagram, TCP SYN, echo request */
	PACKET_CONTINUES, /* TCP in mid-stream: belongs to a flow of either direction */
	PACKET_ANSWERS, /* belongs to a flow of the other direction: SYN+ACK, echo reply */
	PACKET_ERROR, /* ICMP error about another packet */
	PACKET_NEIGHBOUR, /* neighbour discovery and group membership of IPv6: never leaves the link */
};

enum packet_flag {
	FRAGMENT_FIRST = 1 << 0,
	FRAGMENT_LATER = 1 << 1,
	FOR_STACK = 1 << 2, /* carries options that routing has to see */
};

struct packet {
	struct address source;
	struct address destination;
	__be16 source_port; /* for echo: the identifier on the side that asks, 0 on the other */
	__be16 destination_port;
	__u8 family; /* 4 or 6 */
	__u8 protocol;
	__u8 ttl;
	__u8 kind; /* enum packet_kind */
	__u8 flags; /* enum packet_flag */
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 header; /* bytes of the transport header that precede what is cut into segments */
	__u16 transport; /* offset of the transport header */
	__u16 fragment_offset; /* in 8-byte units */
	__be32 fragment_id;
	__u32 end; /* offset of the first byte after the packet: frames may be padded */
};

/* Longest chain of IPv6 extension headers that is walked; hosts send at most four. */
#define EXTENSION_HEADERS 6

static __always_inline int parse_tcp_flags(struct packet *packet)
{
	__u8 flags = packet->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK);

	if (likely((flags & (TCP_SYN | TCP_ACK)) == TCP_ACK)) {
		packet->kind = PACKET_CONTINUES;
		return DROP_NONE;
	}
	if (flags == TCP_SYN) {
		packet->kind = PACKET_OPENS;
		return DROP_NONE;
	}
	if (flags == (TCP_SYN | TCP_ACK)) {
		packet->kind = PACKET_ANSWERS;
		return DROP_NONE;
	}
	if (flags == TCP_RST) {
		packet->kind = PACKET_CONTINUES;
		return DROP_NONE;
	}
	return DROP_TCP_FLAGS;
}

/* ICMP of both families: what a type means for judging. Sources: RFC 792, RFC 4443, RFC 4861, RFC 3810. */
static __always_inline int parse_icmp(struct packet *packet, __u8 type, __be16 identifier)
{
	bool v4 = packet->family == FAMILY_4;

	packet->icmp_type = type;
	if (type == (v4 ? 8 : 128)) {
		packet->kind = PACKET_OPENS;
		packet->source_port = identifier;
		return DROP_NONE;
	}
	if (type == (v4 ? 0 : 129)) {
		packet->kind = PACKET_ANSWERS;
		packet->destination_port = identifier;
		return DROP_NONE;
	}
	if (v4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4) {
		packet->kind = PACKET_ERROR;
		return DROP_NONE;
	}
	if (!v4 && ((type >= 133 && type <= 136 && packet->ttl == 255) ||
		    (((type >= 130 && type <= 132) || type == 143) && packet->ttl == 1))) {
		packet->kind = PACKET_NEIGHBOUR;
		return DROP_NONE;
	}
	return DROP_ICMP_TYPE;
}

/*
 * The transport header at packet->transport; protocols without ports are judged by their number alone.
 * Global, as is parse_extensions: the verifier then walks it once. Such functions cannot trust their pointers.
 */
__noinline int parse_transport(struct __sk_buff *skb, struct packet *packet)
{
	__u8 header[14] = {};
	int cut;

	if (!packet)
		return DROP_MALFORMED;
	cut = packet->flags & FRAGMENT_FIRST ? DROP_FRAGMENT_TINY : DROP_TRUNCATED;
	switch (packet->protocol) {
	case IPPROTO_TCP:
		if (packet->transport + sizeof(header) > packet->end ||
		    bpf_skb_load_bytes(skb, packet->transport, header, sizeof(header)))
			return cut;
		if ((header[12] >> 4) < 5)
			return DROP_MALFORMED;
		if (packet->transport + (header[12] >> 4) * 4 > packet->end)
			return cut;
		packet->source_port = *(__be16 *)header;
		packet->destination_port = *(__be16 *)(header + 2);
		packet->tcp_flags = header[13];
		packet->header = (header[12] >> 4) * 4;
		return parse_tcp_flags(packet);
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		if (packet->transport + 8 > packet->end || bpf_skb_load_bytes(skb, packet->transport, header, 8))
			return cut;
		packet->source_port = *(__be16 *)header;
		packet->destination_port = *(__be16 *)(header + 2);
		packet->header = 8;
		return DROP_NONE;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if ((packet->protocol == IPPROTO_ICMP) != (packet->family == FAMILY_4))
			return DROP_MALFORMED;
		if (packet->transport + 8 > packet->end || bpf_skb_load_bytes(skb, packet->transport, header, 8))
			return cut;
		return parse_icmp(packet, header[0], *(__be16 *)(header + 4));
	}
	return DROP_NONE;
}

/* The common case: a TCP header at a place that is known when compiling, without a helper call. */
static __always_inline bool parse_tcp_direct(struct __sk_buff *skb, struct packet *packet, __u32 offset)
{
	struct tcphdr *tcp = packet_begin(skb) + offset;

	if ((void *)(tcp + 1) > packet_end(skb) || tcp->doff < 5 || offset + tcp->doff * 4 > packet->end)
		return false;
	packet->source_port = tcp->source;
	packet->destination_port = tcp->dest;
	packet->tcp_flags = ((__u8 *)tcp)[13];
	packet->header = tcp->doff * 4;
	return true;
}

static __always_inline int parse_v4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr *ip = packet_begin(skb) + ETH_HLEN;
	__u16 fragment;
	__u32 header;

	if ((void *)(ip + 1) > packet_end(skb))
		return DROP_TRUNCATED;
	if (ip->version != 4 || ip->ihl < 5)
		return DROP_MALFORMED;
	header = ip->ihl * 4;
	packet->end = skb->len;
	/* A segment that the network card is to cut may be longer than tot_len can say. */
	if (!skb->gso_size) {
		__u32 length = bpf_ntohs(ip->tot_len);

		if (length < header)
			return DROP_MALFORMED;
		if (ETH_HLEN + length > skb->len)
			return DROP_TRUNCATED;
		packet->end = ETH_HLEN + length;
	}
	packet->family = FAMILY_4;
	packet->source.word[0] = ip->saddr;
	packet->destination.word[0] = ip->daddr;
	packet->protocol = ip->protocol;
	packet->ttl = ip->ttl;
	packet->transport = ETH_HLEN + header;

	fragment = bpf_ntohs(ip->frag_off);
	if (unlikely(fragment & (IP_MF | IP_OFFSET))) {
		packet->fragment_id = ip->id;
		packet->fragment_offset = fragment & IP_OFFSET;
		packet->flags |= packet->fragment_offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
		if (packet->fragment_offset)
			return DROP_NONE;
	}
	if (likely(header == sizeof(struct iphdr))) {
		if (packet->protocol == IPPROTO_TCP && parse_tcp_direct(skb, packet, ETH_HLEN + sizeof(struct iphdr)))
			return parse_tcp_flags(packet);
	} else {
		packet->flags |= FOR_STACK;
	}
	return parse_transport(skb, packet);
}

/* Walks the extension headers from `offset`, the first of which is of kind `next`; leaves packet->protocol and packet->transport at the upper layer. */
__noinline int parse_extensions(struct __sk_buff *skb, struct packet *packet, __u32 offset, __u8 next)
{
	__u8 header[8];

	if (!packet)
		return DROP_MALFORMED;

#pragma unroll
	for (int i = 0; i <= EXTENSION_HEADERS; i++) {
		packet->protocol = next;
		packet->transport = offset;
		if (next != NEXTHDR_HOP && next != NEXTHDR_ROUTING && next != NEXTHDR_FRAGMENT && next != NEXTHDR_AUTH &&
		    next != NEXTHDR_DEST)
			return DROP_NONE;
		if (next == NEXTHDR_ROUTING)
			return DROP_EXTENSION_HEADERS; /* would let the packet go on to another host than the judged one */
		if (i == EXTENSION_HEADERS)
			break;
		if (offset + sizeof(header) > packet->end || bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
			return packet->flags & FRAGMENT_FIRST ? DROP_FRAGMENT_TINY : DROP_TRUNCATED;
		if (next == NEXTHDR_FRAGMENT) {
			__u16 fragment = bpf_ntohs(*(__be16 *)(header + 2));

			if (packet->flags & (FRAGMENT_FIRST | FRAGMENT_LATER))
				return DROP_MALFORMED;
			packet->fragment_id = *(__be32 *)(header + 4);
			packet->fragment_offset = fragment >> 3;
			if (packet->fragment_offset)
				packet->flags |= FRAGMENT_LATER;
			else if (fragment & 1)
				packet->flags |= FRAGMENT_FIRST;
			offset += 8;
			if (packet->fragment_offset) {
				packet->protocol = header[0];
				return DROP_NONE;
			}
		} else {
			if (next == NEXTHDR_HOP) {
				if (i)
					return DROP_MALFORMED; /* only the first may be hop-by-hop */
				packet->flags |= FOR_STACK;
			}
			if (next == NEXTHDR_AUTH && !header[1])
				return DROP_MALFORMED; /* shorter than its own fixed part (RFC 4302 section 2.2) */
			offset += next == NEXTHDR_AUTH ? (header[1] + 2) * 4 : (header[1] + 1) * 8;
			if (offset > packet->end)
				return packet->flags & FRAGMENT_FIRST ? DROP_FRAGMENT_TINY : DROP_TRUNCATED;
		}
		next = header[0];
	}
	return DROP_EXTENSION_HEADERS;
}

static __always_inline int parse_v6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6hdr *ip = packet_begin(skb) + ETH_HLEN;
	int reason;

	if ((void *)(ip + 1) > packet_end(skb))
		return DROP_TRUNCATED;
	if (ip->version != 6)
		return DROP_MALFORMED;
	packet->end = skb->len;
	if (!skb->gso_size) {
		packet->end = ETH_HLEN + sizeof(*ip) + bpf_ntohs(ip->payload_len);
		if (packet->end > skb->len)
			return DROP_TRUNCATED;
	}
	packet->family = FAMILY_6;
	__builtin_memcpy(&packet->source, &ip->saddr, sizeof(packet->source));
	__builtin_memcpy(&packet->destination, &ip->daddr, sizeof(packet->destination));
	packet->ttl = ip->hop_limit;
	if (likely(ip->nexthdr == IPPROTO_TCP)) {
		packet->protocol = IPPROTO_TCP;
		packet->transport = ETH_HLEN + sizeof(*ip);
		if (parse_tcp_direct(skb, packet, ETH_HLEN + sizeof(struct ipv6hdr)))
			return parse_tcp_flags(packet);
		return parse_transport(skb, packet);
	}
	reason = parse_extensions(skb, packet, ETH_HLEN + sizeof(struct ipv6hdr), ip->nexthdr);
	if (reason || packet->flags & FRAGMENT_LATER)
		return reason;
	return parse_transport(skb, packet);
}

/*
 * Makes the headers that are read directly part of the linear data. They mostly are, and no more than they: of a packet that
 * TCP sends, the payload is not. Pulling a byte of that would have all headers copied, for each packet.
 */
static __always_inline void pull_headers(struct __sk_buff *skb)
{
	__u32 network = skb->protocol == bpf_htons(ETH_P_IP) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u32 linear = packet_end(skb) - packet_begin(skb);

	if (unlikely(linear < ETH_HLEN + network + sizeof(struct tcphdr) && linear < skb->len))
		bpf_skb_pull_data(skb, skb->len < 128 ? skb->len : 128);
}

static __always_inline bool is_unicast(const struct packet *packet)
{
	__be32 first = packet->destination.word[0];

	if (packet->family == FAMILY_6)
		return (first & bpf_htonl(0xFF000000)) != bpf_htonl(0xFF000000);
	return (first & bpf_htonl(0xE0000000)) != bpf_htonl(0xE0000000) && first & bpf_htonl(0xFF000000);
}
