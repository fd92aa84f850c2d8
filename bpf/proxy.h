/* SPDX-License-Identifier: Dual BSD/GPL
 * Flows whose requests are judged end at the node's proxy, which opens a connection of its own in the client's name.
 *
 * The client and the backend are judged as if nothing stood between them: to these programs the proxy's connection is one
 * more flow of the same two addresses. Packets of either are left to the node's stack, with a mark by which it is routed
 * to the proxy's sockets and nowhere else (harness/envoy/transparent.py), so that without a proxy nothing gets through.
 */
#pragma once

#include "identity.h"
#include "packet.h"

#define PROXY_MARK 0x200

/*
 * Whether the node's stack has a socket for a packet between two pods: it can only be the proxy's. A connection that the
 * proxy has taken stays its own until it ends, whatever the policy says of later ones.
 */
__noinline int has_socket(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	int found;

	if (!p)
		return 0;
	if (p->family == FAMILY_4) {
		tuple.ipv4.saddr = p->source.word[0];
		tuple.ipv4.daddr = p->destination.word[0];
		tuple.ipv4.sport = p->source_port;
		tuple.ipv4.dport = p->destination_port;
		socket = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), OWN_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, &p->source, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, &p->destination, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = p->source_port;
		tuple.ipv6.dport = p->destination_port;
		socket = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), OWN_NETNS, 0);
	}
	if (!socket)
		return 0;
	found = socket->state != BPF_TCP_LISTEN;
	bpf_sk_release(socket);
	return found;
}

/* Whether an allowed flow ends at the proxy; `requests` says whether rules look into its requests. */
static __always_inline bool is_proxied(struct __sk_buff *skb, const struct packet *p, __u32 requests)
{
	struct mesh_config *settings = mesh_settings();

	if (requests)
		return true;
	return settings && settings->proxy && p->protocol == IPPROTO_TCP && p->kind != PACKET_OPENS && has_socket(skb, p);
}
