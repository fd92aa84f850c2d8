/* SPDX-License-Identifier: Dual BSD/GPL
 * Clients' and backends' own sockets: between two that take part, requests and answers go without TCP.
 */
#pragma once

#include "l7_upstream.h"

/* Lets the socket that sent a packet take part, if it is non-blocking: a blocking one may see EAGAIN there. */
static __noinline int enter(struct __sk_buff *skb, const struct packet *p, const struct l7_tuple *tuple, __u32 role,
				  __u64 upstream)
{
	struct l7_upstream *served;
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tcp;
	struct l7_end *end;
	__u64 cookie;

	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_TCP || sk->state != BPF_TCP_ESTABLISHED)
		return 0;
	end = bpf_sk_storage_get(&l7_storage, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!end || end->role || end->tries++ > 8)
		return 0;
	/* By a wire a packet may still belong to its socket, since nodes share the kernel: that one is of another node. */
	if (check_source(skb, find_endpoint(current_generation(), p->family, &p->source), FROM_POD))
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp || !nonblocking(&tcp->inet_conn.icsk_inet.sk))
		return 0;
	cookie = bpf_get_socket_cookie(skb);
	end->tuple = *tuple;
	end->cookie = cookie;
	end->upstream = upstream;
	if (bpf_map_update_elem(&l7_ends, &cookie, sk, BPF_NOEXIST))
		return 0;
	end->role = role;
	l7_count(L7_ENTERED);
	if (role == ROLE_SERVER) {
		served = bpf_map_lookup_elem(&l7_upstreams, &upstream);
		if (served) {
			served->server_cookie = cookie;
			served->server = (__u64)tcp;
		}
	}
	return 0;
}

/* Whether nothing is left to read of what came to a socket by any way. */
static __always_inline bool has_read_all(const struct tcp_sock *tcp)
{
	const struct sock *sk = &tcp->inet_conn.icsk_inet.sk;
	const struct sk_psock *psock = KERNEL(struct sk_psock, (__u64)FIELD(sk, sk_user_data) & PSOCK_POINTER);

	return !FIELD(sk, sk_backlog.rmem_alloc.counter) && !FIELD(psock, ingress_skb.qlen) &&
	       FIELD(tcp, copied_seq) == FIELD(tcp, rcv_nxt);
}

static __always_inline bool is_socket(const struct tcp_sock *tcp, __u64 cookie)
{
	return FIELD(tcp, inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter) == cookie;
}

/* Forgives what a connection's answers are not known to have left, where they have: their client has read them, or is gone. */
static long settle_owed(struct bpf_map *connections, const struct l7_tuple *tuple, struct l7_connection *connection, void *unused)
{
	const struct tcp_sock *own, *asker;

	if (connection->owed) {
		own = KERNEL(struct tcp_sock, connection->socket);
		if (!is_socket(own, connection->cookie) || !before(FIELD(own, snd_una), connection->answered))
			forgive(&connection->owed);
	}
	if (connection->owed_direct) {
		asker = KERNEL(struct tcp_sock, connection->asker);
		if (!is_socket(asker, connection->asker_cookie) || has_read_all(asker))
			forgive(&connection->owed_direct);
	}
	return 0;
}

/* Whether all that the agent sent by TCP has been read by the backend's socket, which is still the one that entered. */
static __always_inline bool server_ready(const struct l7_upstream *upstream)
{
	const struct tcp_sock *server, *own;

	if (!upstream->server || !upstream->socket)
		return false;
	server = KERNEL(struct tcp_sock, upstream->server);
	own = KERNEL(struct tcp_sock, upstream->socket);
	return is_socket(server, upstream->server_cookie) &&
	       FIELD(server, inet_conn.icsk_inet.sk.__sk_common.skc_state) == TCP_ESTABLISHED &&
	       nonblocking(&server->inet_conn.icsk_inet.sk) && FIELD(server, rcv_nxt) == FIELD(own, write_seq) &&
	       has_read_all(server);
}

static __always_inline __u32 client_sends(struct sk_msg_md *msg, struct l7_end *end)
{
	struct l7_connection *connection = bpf_map_lookup_elem(&l7_connections, &end->tuple);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(msg->sk);
	struct l7_upstream *upstream;
	struct l7_means means = {};
	__u32 slow = L7_SLOW_STRANGE, read, whole = 0;
	struct reading *r;
	__u64 cookie;

	if (!connection || !tcp)
		return L7_COUNTS;
	settle_answered(connection, tcp->copied_seq);
	if (connection->state != L7_IDLE)
		return L7_COUNTS;
	if (tcp->copied_seq != connection->answered || tcp->write_seq != connection->request + connection->request_bytes ||
	    !has_read_all(tcp) || !nonblocking(&tcp->inet_conn.icsk_inet.sk))
		return L7_COUNTS;
	connection->asker = (__u64)tcp;
	connection->asker_cookie = end->cookie;
	forgive(&connection->owed_direct);
	r = reading_begin();
	if (!r)
		return L7_COUNTS;
	read = load_head(msg, r);
	if (read)
		slow = judge_read(r, &end->tuple, connection, read, msg->size, &whole, &means);
	/* What is not allowed l7_look counts. */
	cookie = slow == L7_FAST ? claim(&end->tuple, connection, &means, end->cookie, true, r, &slow) : 0;
	reading_end(r);
	if (!cookie)
		return L7_COUNTS;
	upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	if (upstream && server_ready(upstream) &&
	    bpf_msg_redirect_hash(msg, &l7_ends, &upstream->server_cookie, BPF_F_INGRESS) == SK_PASS) {
		flow_way(upstream, WAY_ASKED);
		l7_count(L7_DIRECT_ASKED);
		return L7_FAST;
	}
	if (bpf_msg_redirect_hash(msg, &l7_sockets, &cookie, 0) == SK_PASS)
		return L7_FAST;
	unclaim(&end->tuple, connection, cookie);
	connection->state = L7_IDLE;
	return L7_COUNTS;
}

/* Room that has to be in the proxy's socket for what kernels add to bytes: what does not fit a send would be cut short. */
#define SEND_ROOM 8192

/* Sends what a backend says to where its answer is for; whether that could be. */
static __always_inline bool answer_directly(struct sk_msg_md *msg, struct l7_upstream *upstream)
{
	struct l7_connection *connection;
	const struct tcp_sock *own;
	const struct sock *sk;
	__u64 client = upstream->cookie;

	if (upstream->to_client)
		return bpf_msg_redirect_hash(msg, &l7_ends, &client, BPF_F_INGRESS) == SK_PASS;
	connection = bpf_map_lookup_elem(&l7_connections, &upstream->client);
	if (!connection || connection->cookie != client)
		return false;
	own = KERNEL(struct tcp_sock, connection->socket);
	sk = &own->inet_conn.icsk_inet.sk;
	if (!is_socket(own, client) || FIELD(sk, sk_wmem_queued) + (int)msg->size + SEND_ROOM > FIELD(sk, sk_sndbuf))
		return false;
	if (upstream->state == UPSTREAM_ASKED) { /* these are the answer's first bytes */
		connection->answered = FIELD(own, write_seq) + upstream->total;
		connection->framed = 1;
	}
	return bpf_msg_redirect_hash(msg, &l7_sockets, &client, 0) == SK_PASS;
}

/* Whether what a backend says can be its answer, or more of an answer that went directly so far. */
static __always_inline bool goes_on_directly(struct sk_msg_md *msg, struct l7_upstream *upstream)
{
	bool understood = false, full;
	struct reading *r;
	__u32 read;

	if (upstream->direct == ANSWER_DIRECT)
		return upstream->state == UPSTREAM_ANSWERS && msg->size <= upstream->left;
	r = reading_begin();
	if (!r)
		return false;
	read = load_head(msg, r);
	if (read)
		understood = judge_response(r, upstream, read, msg->size, &full);
	reading_end(r);
	return understood;
}

static __always_inline void server_sends(struct sk_msg_md *msg, struct l7_end *end)
{
	struct l7_upstream *upstream = bpf_map_lookup_elem(&l7_upstreams, &end->upstream);

	if (!upstream || upstream->direct == ANSWER_BY_TCP ||
	    (upstream->direct == ANSWER_UNKNOWN && upstream->state != UPSTREAM_ASKED))
		return;
	if (!goes_on_directly(msg, upstream) || !answer_directly(msg, upstream)) {
		upstream->direct = ANSWER_BY_TCP; /* all that follows, too: nothing may overtake it */
		return;
	}
	if (upstream->direct == ANSWER_UNKNOWN) {
		upstream->direct = ANSWER_DIRECT;
		upstream->state = UPSTREAM_ANSWERS;
		flow_answered(upstream, WAY_ANSWERED);
		l7_count(L7_DIRECT_ANSWERED);
	}
	upstream->left -= msg->size;
	if (!upstream->left)
		complete(upstream, end->upstream);
}
