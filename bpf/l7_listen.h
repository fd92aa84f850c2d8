/* SPDX-License-Identifier: Dual BSD/GPL
 * Which of the proxy's sockets have their requests sent on by the kernel.
 *
 * A socket with a verdict program alone wakes its reader for all that comes, also for what the program sends elsewhere: the
 * proxy was run for each request only to find nothing. One with a parser, too, does not; but of what such a socket is let
 * keep, the kernel counts the bytes twice where the reader has not read what came before (tcp_bpf_strp_read_sock of
 * Linux 6.18), and then announces no more. So a socket listens while requests are the kernel's, and what is for the proxy
 * finds an ordinary socket.
 */
#pragma once

#include "l7_ends.h"

/* The proxy's socket that a packet is for, if that is the connection's and has been accepted; to be released. */
static __always_inline struct bpf_sock *accepted_socket(struct __sk_buff *skb, const struct packet *p,
							const struct l7_tuple *tuple, const struct l7_connection *connection)
{
	struct bpf_sock_tuple name = {};
	struct tcp_sock *own;
	struct bpf_sock *sk;

	if (p->family == FAMILY_4) {
		name.ipv4.saddr = tuple->client.word[0];
		name.ipv4.daddr = tuple->backend.word[0];
		name.ipv4.sport = tuple->client_port;
		name.ipv4.dport = tuple->backend_port;
		sk = bpf_sk_lookup_tcp(skb, &name, sizeof(name.ipv4), OWN_NETNS, 0);
	} else {
		__builtin_memcpy(name.ipv6.saddr, &tuple->client, sizeof(name.ipv6.saddr));
		__builtin_memcpy(name.ipv6.daddr, &tuple->backend, sizeof(name.ipv6.daddr));
		name.ipv6.sport = tuple->client_port;
		name.ipv6.dport = tuple->backend_port;
		sk = bpf_sk_lookup_tcp(skb, &name, sizeof(name.ipv6), OWN_NETNS, 0);
	}
	if (!sk)
		return NULL;
	own = bpf_skc_to_tcp_sock(sk);
	if (own && (__u64)own == connection->socket && is_socket(own, connection->cookie) &&
	    own->inet_conn.icsk_inet.sk.sk_socket)
		return sk;
	bpf_sk_release(sk);
	return NULL;
}

/* What comes to the proxy's socket from now on is l7_receive's; whether that can be. */
static __noinline int listen_to(struct __sk_buff *skb, const struct packet *p, const struct l7_tuple *tuple,
				struct l7_connection *connection)
{
	struct bpf_sock *sk;
	__u64 cookie;

	if (!p || !tuple || !connection)
		return 0;
	if (connection->listens)
		return 1;
	sk = accepted_socket(skb, p, tuple, connection);
	if (!sk)
		return 0;
	cookie = connection->cookie;
	connection->listens = !bpf_map_update_elem(&l7_listening, &cookie, sk, BPF_ANY);
	bpf_sk_release(sk);
	return connection->listens;
}

/* Whether the proxy has read all that came to its socket. */
static __always_inline bool proxy_has_read(const struct l7_connection *connection)
{
	const struct tcp_sock *own = KERNEL(struct tcp_sock, connection->socket);

	return !before(FIELD(own, copied_seq), FIELD(own, rcv_nxt));
}

/* What comes to the proxy's socket from now on is the proxy's; whether that can be, which it cannot before it has read all. */
static __noinline int leave_to_proxy(struct l7_connection *connection)
{
	__u64 cookie;

	if (!connection || !connection->listens)
		return 1;
	if (!proxy_has_read(connection))
		return 0;
	cookie = connection->cookie;
	bpf_map_delete_elem(&l7_listening, &cookie);
	connection->listens = 0;
	return 1;
}
