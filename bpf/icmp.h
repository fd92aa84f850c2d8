/* SPDX-License-Identifier: Dual BSD/GPL
 * ICMP errors: judged by the packet that they quote, which must belong to an allowed flow of the error's receiver.
 */
#pragma once

#include "verdict.h"

/* The quoted packet's transport header, of which RFC 792 promises 8 bytes: ports, or an echo's identifier. */
static __always_inline int parse_quoted_transport(struct __sk_buff *skb, struct packet *quoted)
{
	__u8 header[8];

	if (quoted->transport + sizeof(header) > quoted->end ||
	    bpf_skb_load_bytes(skb, quoted->transport, header, sizeof(header)))
		return DROP_TRUNCATED;
	switch (quoted->protocol) {
	case IPPROTO_TCP:
		quoted->kind = PACKET_CONTINUES;
		break;
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (parse_icmp(quoted, header[0], *(__be16 *)(header + 4)) || quoted->kind > PACKET_ANSWERS)
			return DROP_ICMP_UNRELATED; /* errors about errors, RFC 1122 section 3.2.2 */
		return DROP_NONE;
	default:
		return DROP_NONE;
	}
	quoted->source_port = *(__be16 *)header;
	quoted->destination_port = *(__be16 *)(header + 2);
	return DROP_NONE;
}

__noinline int parse_quoted(struct __sk_buff *skb, const struct packet *p, struct packet *quoted)
{
	__u32 offset;
	int reason;

	if (!p || !quoted)
		return DROP_MALFORMED;
	offset = p->transport + 8;
	quoted->family = p->family;
	quoted->end = p->end;
	if (p->family == FAMILY_4) {
		struct iphdr ip;

		if (offset + sizeof(ip) > p->end || bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
			return DROP_TRUNCATED;
		if (ip.version != 4 || ip.ihl < 5 || ip.frag_off & bpf_htons(IP_OFFSET))
			return DROP_ICMP_UNRELATED;
		quoted->source.word[0] = ip.saddr;
		quoted->destination.word[0] = ip.daddr;
		quoted->protocol = ip.protocol;
		quoted->transport = offset + ip.ihl * 4;
	} else {
		struct ipv6hdr ip;

		if (offset + sizeof(ip) > p->end || bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
			return DROP_TRUNCATED;
		if (ip.version != 6)
			return DROP_ICMP_UNRELATED;
		__builtin_memcpy(&quoted->source, &ip.saddr, sizeof(quoted->source));
		__builtin_memcpy(&quoted->destination, &ip.daddr, sizeof(quoted->destination));
		reason = parse_extensions(skb, quoted, offset + sizeof(ip), ip.nexthdr);
		if (reason || quoted->flags & FRAGMENT_LATER)
			return DROP_ICMP_UNRELATED;
	}
	return parse_quoted_transport(skb, quoted);
}

/* Whether the quoted packet belongs to a flow that conntrack or the policy allows; a global function as others are. */
__noinline int judge_quoted(const struct packet *quoted, struct cause *cause)
{
	struct endpoint *from, *to;
	struct ct_found found;
	__u32 side, now = ct_now();
	int known;

	if (!quoted || !cause)
		return DROP_ICMP_UNRELATED;
	side = source_side(quoted);
	found = ct_find(quoted, side);
	if (ct_settles(&found, quoted, side, cause->generation, now))
		return DROP_NONE;
	known = ct_orientation(&found, quoted, side, now);
	from = find_endpoint(cause->generation, quoted->family, &quoted->source);
	to = find_endpoint(cause->generation, quoted->family, &quoted->destination);
	return judge_packet(quoted, from, to, known, cause) == UNKNOWN ? DROP_ICMP_UNRELATED : DROP_NONE;
}

/* Errors are rare: an allowed one goes through the node's stack. */
__noinline int decide_error(struct __sk_buff *skb, const struct packet *p, __u32 point)
{
	struct cause cause = {.generation = current_generation()};
	struct packet quoted = {};
	struct endpoint *from, *to;

	if (!p)
		return TC_ACT_SHOT;
	from = find_endpoint(cause.generation, p->family, &p->source);
	to = find_endpoint(cause.generation, p->family, &p->destination);
	cause.source_identity = from ? from->identity : IDENTITY_WORLD;
	cause.destination_identity = to ? to->identity : IDENTITY_WORLD;
	cause.direction = point == FROM_POD ? EGRESS : INGRESS;
	cause.reason = check_source(skb, from, point);
	if (!cause.reason)
		cause.reason = check_destination(to, point);
	if (cause.reason)
		return drop(skb, p, &cause);
	if (point == FROM_WIRE && !(to && to->flags & ENDPOINT_LOCAL))
		return TC_ACT_OK;
	cause.reason = parse_quoted(skb, p, &quoted);
	/* The error goes back to the sender of what it quotes; a pod only answers what it was sent itself. */
	if (!cause.reason && (!same_address(&quoted.source, &p->destination) ||
			      (point == FROM_POD && !same_address(&quoted.destination, &p->source))))
		cause.reason = DROP_ICMP_UNRELATED;
	if (!cause.reason)
		cause.reason = judge_quoted(&quoted, &cause);
	return cause.reason ? drop(skb, p, &cause) : TC_ACT_OK;
}
