/* SPDX-License-Identifier: Dual BSD/GPL
 * Requests that are understood whole go to their backend in the kernel, all others to the node's proxy.
 *
 * The client's connection ends at the proxy's socket. l7_look runs before the mesh's own programs: it reads each request on
 * its way to that socket, and holds back what follows until the answer is written. l7_receive sends an allowed request on
 * from the proxy's socket to a connection that the agent keeps to the backend, l7_respond its answer back; l7_send does the
 * same between the own sockets of a client and a backend that take part; l7_reply sees where the proxy's own answers end.
 */
#include "l7_look.h"
#include "l7_proxy.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int l7_look(struct __sk_buff *skb)
{
	struct l7_tuple tuple = {};
	struct segment segment;
	struct packet p = {};
	__u64 *upstream;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (parse_v4(skb, &p))
			return TCX_NEXT;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (parse_v6(skb, &p))
			return TCX_NEXT;
	} else {
		return TCX_NEXT;
	}
	if (p.protocol != IPPROTO_TCP || p.kind != PACKET_CONTINUES || p.flags)
		return TCX_NEXT;
	if (!read_segment(skb, &p, &segment) || !segment.bytes)
		return TCX_NEXT;
	tuple.client = p.destination;
	tuple.backend = p.source;
	tuple.client_port = p.destination_port;
	tuple.backend_port = p.source_port;
	tuple.family = p.family;
	upstream = bpf_map_lookup_elem(&l7_named, &tuple);
	if (upstream) {
		enter(skb, &p, &tuple, ROLE_SERVER, *upstream);
		return TCX_NEXT;
	}
	tuple.client = p.source;
	tuple.backend = p.destination;
	tuple.client_port = p.source_port;
	tuple.backend_port = p.destination_port;
	tuple.family = p.family;
	return look(skb, &p, &tuple, &segment);
}

/* Where in an skb of a listening socket begins what is to be read: the kernel's parser does not cut off what was read before. */
static __always_inline __u32 unread_offset(struct __sk_buff *skb)
{
	return FIELD(KERNEL(struct sk_skb_cb, &KERNEL(struct sk_buff, skb)->cb), strp.strp.offset);
}

/* A listening socket takes each skb for itself: what l7_look has let by there is a request. */
SEC("sk_skb/stream_parser")
int l7_parse(struct __sk_buff *skb)
{
	return skb->len - unread_offset(skb);
}

/* What has come to a listening socket of the proxy's. */
SEC("sk_skb/stream_verdict")
int l7_receive(struct __sk_buff *skb)
{
	__u32 offset = unread_offset(skb), slow;
	struct l7_connection *connection;
	struct l7_tuple tuple = {};
	struct tcp_skb_cb *segment;

	NAME_OF(&tuple, skb);
	connection = bpf_map_lookup_elem(&l7_connections, &tuple);
	if (!connection || connection->state != L7_ASKED)
		return SK_PASS;
	segment = KERNEL(struct tcp_skb_cb, &KERNEL(struct sk_buff, skb)->cb);
	if (offset || FIELD(segment, seq) != connection->request || skb->len != connection->request_bytes) {
		connection->state = L7_UNFRAMED;
		went_slow(&tuple, L7_SLOW_STRANGE);
		return SK_PASS;
	}
	slow = send_direct(skb, &tuple, connection);
	if (slow == L7_FAST) {
		l7_count(slow);
		return SK_PASS;
	}
	went_slow(&tuple, slow);
	if (slow == L7_SLOW_STRANGE || slow == L7_SLOW_IN_PIECES || slow == L7_SLOW_ODD)
		connection->state = L7_UNFRAMED; /* that is not what l7_look saw */
	else
		connection->state = L7_PROXIED;
	return SK_PASS;
}

/* What a backend has sent to one of the agent's sockets. */
SEC("sk_skb/stream_verdict")
int l7_respond(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct bpf_sock *sk = skb->sk;
	struct l7_upstream *upstream;

	trim_repeated(skb);
	upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	if (!upstream)
		return SK_PASS;
	if (!upstream->socket && sk)
		upstream->socket = (__u64)bpf_skc_to_tcp_sock(sk);
	return respond(skb, upstream, cookie);
}

/* What the proxy sends to a client. */
SEC("sk_msg")
int l7_reply(struct sk_msg_md *msg)
{
	struct l7_connection *connection;
	struct l7_tuple tuple = {};

	NAME_OF(&tuple, msg);
	connection = bpf_map_lookup_elem(&l7_connections, &tuple);
	if (!connection || connection->state == L7_UNFRAMED)
		return SK_PASS;
	if (connection->state == L7_ASKED) { /* the proxy read it before l7_receive was asked */
		connection->state = L7_PROXIED;
		went_slow(&tuple, L7_SLOW_UNACCEPTED);
	}
	if (connection->relayed)
		return SK_PASS;
	if (!may_say(msg, connection))
		connection->state = L7_UNFRAMED;
	return SK_PASS;
}

/* What clients and backends send whose sockets have entered. */
SEC("sk_msg")
int l7_send(struct sk_msg_md *msg)
{
	struct l7_end *end = bpf_sk_storage_get(&l7_storage, msg->sk, NULL, 0);
	__u32 what;

	if (!end)
		return SK_PASS;
	if (end->role == ROLE_CLIENT) {
		what = client_sends(msg, end);
		if (what != L7_COUNTS)
			l7_count(what);
	} else if (end->role == ROLE_SERVER) {
		server_sends(msg, end);
	}
	return SK_PASS;
}

/* What is known of a connection at first; too large for the stack. */
static const struct l7_connection fresh;

/* The proxy's sockets, from the end of the handshake to the end of the connection. */
SEC("sockops")
int l7_sockops(struct bpf_sock_ops *ops)
{
	struct l7_connection *connection;
	struct l7_upstream *upstream;
	struct l7_tuple tuple = {};
	struct bpf_sock *sk;
	struct tcp_sock *own;
	__u64 cookie;

	if (ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB && ops->op != BPF_SOCK_OPS_STATE_CB)
		return 0;
	if (ops->op == BPF_SOCK_OPS_STATE_CB && ops->args[1] != BPF_TCP_CLOSE)
		return 0;
	NAME_OF(&tuple, ops);
	cookie = bpf_get_socket_cookie(ops);
	if (ops->op == BPF_SOCK_OPS_STATE_CB) {
		connection = bpf_map_lookup_elem(&l7_connections, &tuple);
		if (!connection || connection->cookie != cookie)
			return 0;
		if (connection->upstream) {
			upstream = bpf_map_lookup_elem(&l7_upstreams, &connection->upstream);
			if (upstream && upstream->cookie == cookie && upstream->state != UPSTREAM_IDLE) {
				flow_answered(upstream, WAY_GONE);
				upstream->state = UPSTREAM_ORPHAN;
				l7_tell(L7_CLOSE, &upstream->pair, connection->upstream);
			}
		}
		forgive(&connection->owed);
		forgive(&connection->owed_direct);
		bpf_map_delete_elem(&l7_connections, &tuple);
		return 0;
	}
	sk = ops->sk;
	if (!sk)
		return 0;
	own = bpf_skc_to_tcp_sock(sk);
	if (!own)
		return 0;
	connection = bpf_map_lookup_elem(&l7_connections, &tuple);
	if (connection) { /* of a socket whose end was not seen */
		forgive(&connection->owed);
		forgive(&connection->owed_direct);
	}
	if (bpf_map_update_elem(&l7_connections, &tuple, &fresh, BPF_ANY))
		return 0;
	connection = bpf_map_lookup_elem(&l7_connections, &tuple);
	if (!connection)
		return 0;
	connection->socket = (__u64)own;
	connection->cookie = cookie;
	connection->request = own->rcv_nxt;
	connection->answered = own->write_seq;
	if (bpf_sock_hash_update(ops, &l7_sockets, &cookie, BPF_NOEXIST)) {
		bpf_map_delete_elem(&l7_connections, &tuple);
		return 0;
	}
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	return 0;
}

/* What the agent asks of the programs below, and their answer. */
struct l7_errand {
	__u64 cookie; /* of its socket */
	__u32 generation;
	__u32 sets[2];
	__u32 known; /* enum l7_knowledge */
	__u32 answer;
	__u32 left; /* bytes of an answer */
	struct l7_pair pair;
};

/* What is known of a pair. */
SEC("syscall")
int l7_inform(struct l7_errand *errand)
{
	struct l7_pair pair = errand->pair;
	struct l7_target *target = bpf_map_lookup_elem(&l7_targets, &pair);

	if (!target)
		return 0;
	target->generation = 0;
	target->sets[0] = errand->sets[0];
	target->sets[1] = errand->sets[1];
	target->known = errand->known;
	target->wanted = 0; /* who asked under another generation may not have been heard */
	memory_barrier();
	target->generation = errand->generation;
	errand->answer = 1;
	return 0;
}

/* A connection joins the idle ones: a new one, or one whose answer the agent has written. */
SEC("syscall")
int l7_adopt(struct l7_errand *errand)
{
	struct l7_pair pair = errand->pair;
	struct l7_target *target = bpf_map_lookup_elem(&l7_targets, &pair);
	__u64 cookie = errand->cookie;
	struct l7_upstream *upstream;

	upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	if (upstream)
		upstream->state = UPSTREAM_IDLE;
	errand->answer = target ? put_upstream(target, cookie) : 0;
	if (target)
		target->wanted = 0;
	return 0;
}

/* Takes a connection out of the idle ones; answers whether it was one. */
SEC("syscall")
int l7_evict(struct l7_errand *errand)
{
	struct l7_pair pair = errand->pair;
	struct l7_target *target = bpf_map_lookup_elem(&l7_targets, &pair);
	__u64 cookie = errand->cookie;

	errand->answer = 0;
	if (target)
		target->wanted = 0; /* more may be asked for */
	for (int i = 0; target && i < L7_SLOTS; i++)
		if (target->idle[i] == cookie && __sync_val_compare_and_swap(&target->idle[i], cookie, 0) == cookie)
			errand->answer = 1;
	return 0;
}

/* A connection to a backend is in another state from now on; whom its answer was for, NULL where nobody waits for it. */
static __always_inline struct l7_connection *upstream_becomes(const struct l7_errand *errand, __u32 state)
{
	struct l7_connection *connection;
	struct l7_upstream *upstream;
	__u64 cookie = errand->cookie;
	struct l7_tuple tuple;

	upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	if (!upstream)
		return NULL;
	tuple = upstream->client;
	upstream->state = state;
	connection = bpf_map_lookup_elem(&l7_connections, &tuple);
	return connection && connection->upstream == cookie ? connection : NULL;
}

/* The agent will write the answer that a connection was to bring. */
SEC("syscall")
int l7_take_over(struct l7_errand *errand)
{
	struct l7_connection *connection = upstream_becomes(errand, UPSTREAM_RELAYED);

	flow_lost(errand->cookie, 503);
	if (!connection)
		return 0;
	connection->relayed = 1;
	errand->answer = 1;
	l7_count(L7_LOST);
	return 0;
}

/* The agent writes the last bytes of the answer that a connection was to bring: the client may ask on when it has them. */
SEC("syscall")
int l7_finish(struct l7_errand *errand)
{
	struct l7_connection *connection = upstream_becomes(errand, UPSTREAM_FINISHES);
	__u64 cookie = errand->cookie;
	struct l7_upstream *upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	__u32 end;

	if (!connection || !upstream)
		return 0;
	end = FIELD(KERNEL(struct tcp_sock, connection->socket), write_seq) + errand->left;
	upstream->total = end;
	connection->upstream = 0;
	connection->relayed = 0;
	connection->answered = end;
	connection->framed = 1;
	errand->answer = 1;
	return 0;
}

/* Whose answer an agent died over that had said where it ends, and had not written all of it; NULL where it had. */
static __always_inline struct l7_connection *cut_short(const struct l7_upstream *upstream)
{
	struct l7_tuple tuple = upstream->client;
	struct l7_connection *connection = bpf_map_lookup_elem(&l7_connections, &tuple);

	if (upstream->state != UPSTREAM_FINISHES || !connection || connection->upstream || connection->answered != upstream->total)
		return NULL;
	return before(FIELD(KERNEL(struct tcp_sock, connection->socket), write_seq), upstream->total) ? connection : NULL;
}

/* Has all connections looked through for answers that were read, where much is owed. */
SEC("syscall")
int l7_settle(struct l7_errand *errand)
{
	__u64 *all = all_owed();

	if (all && *all > owed_bytes / 2)
		bpf_for_each_map_elem(&l7_connections, settle_owed, NULL, 0);
	return 0;
}

/* The answer that a connection was to bring will not come: what is left of the client's connection is the proxy's to end. */
SEC("syscall")
int l7_abandon(struct l7_errand *errand)
{
	__u64 cookie = errand->cookie;
	struct l7_upstream *upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	struct l7_connection *unfinished = upstream ? cut_short(upstream) : NULL;
	struct l7_connection *connection = upstream_becomes(errand, UPSTREAM_ORPHAN);

	if (unfinished)
		connection = unfinished;
	flow_lost(cookie, 0);
	if (!connection)
		return 0;
	connection->upstream = 0;
	connection->relayed = 0;
	connection->framed = 0;
	connection->state = L7_UNFRAMED;
	errand->answer = 1;
	l7_count(L7_LOST);
	return 0;
}
