/* SPDX-License-Identifier: Dual BSD/GPL
 * Requests that are understood whole go to their backend in the kernel, all others to the node's proxy.
 *
 * The client's connection ends at the proxy's socket. l7_look runs before the mesh's own programs: it reads each request on
 * its way to that socket, and holds back what follows until the answer is written. l7_request sends an allowed request from
 * the proxy's socket on to a connection that the agent keeps to the backend; l7_response sends the answer back into the
 * proxy's socket; l7_reply sees where the proxy's own answers end. Both ends run plain TCP.
 */
#include "l7.h"
#include "verdict.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define TCX_NEXT (-1)

/* Longer answers, which would fill the kernel's queue for a client that does not read, are relayed by the agent. */
const volatile __u32 answer_bytes = 256 << 10;
/* Longer requests go to the proxy. */
const volatile __u32 request_bytes = 64 << 10;

static __always_inline bool before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

struct segment {
	__u32 sequence;
	__u32 acknowledged;
	__u32 offset; /* of the payload */
	__u32 bytes;
};

static __always_inline bool read_segment(struct __sk_buff *skb, const struct packet *p, struct segment *segment)
{
	__be32 words[2];

	if (bpf_skb_load_bytes(skb, p->transport + 4, words, sizeof(words)))
		return false;
	segment->sequence = bpf_ntohl(words[0]);
	segment->acknowledged = bpf_ntohl(words[1]);
	segment->offset = p->transport + p->header;
	segment->bytes = p->end > segment->offset ? p->end - segment->offset : 0;
	return true;
}

/* Whether one of the rules of `set` takes a request. */
static __always_inline bool takes(__u32 set, __u64 method, struct rule_key *key)
{
	if (!set)
		return true;
	key->set = set;
	key->method = method;
	if (bpf_map_lookup_elem(&l7_rules, key))
		return true;
	key->method = 0;
	return bpf_map_lookup_elem(&l7_rules, key);
}

/* Why the kernel does not allow a request that it has read, L7_FAST where it does. */
static __always_inline __u32 judge_request(const struct l7_target *target, struct reading *r)
{
	__u32 bytes = r->head.target_bytes, at = r->head.target;

	if (bytes == 0 || bytes >= PATH_BYTES || at >= HEAD_BYTES)
		return L7_SLOW_NOT_ALLOWED;
	if (bpf_probe_read_kernel(r->key.path, bytes, r->bytes + at))
		return L7_SLOW_NOT_ALLOWED;
	r->key.path[bytes] = 0;
	r->key.prefix = (sizeof(r->key.set) + sizeof(r->key.method) + bytes + 1) * 8;
	if (!takes(target->sets[0], r->head.method, &r->key) || !takes(target->sets[1], r->head.method, &r->key))
		return L7_SLOW_NOT_ALLOWED;
	return L7_FAST;
}

/* Whether the mesh's own rules allow the connection under a generation: its packets may be out of the programs' sight. */
static __noinline int may_connect(const struct l7_tuple *tuple, __u32 generation)
{
	struct endpoint *from, *to;
	struct judgement judgement;
	struct flow flow = {};

	if (!tuple)
		return 0;
	flow.source = &tuple->client;
	flow.destination = &tuple->backend;
	flow.destination_port = tuple->backend_port;
	flow.family = tuple->family;
	flow.protocol = IPPROTO_TCP;
	from = find_endpoint(generation, flow.family, &tuple->client);
	to = find_endpoint(generation, flow.family, &tuple->backend);
	if (!from || !to)
		return 0;
	judgement = judge_flow(generation, &flow, from, to);
	return !judgement.reason;
}

/* What is known of the pair of a connection under a generation; asked of the agent where that is nothing. */
static __always_inline struct l7_target *target_of(const struct l7_tuple *tuple, __u32 generation)
{
	struct l7_pair pair = {};
	struct l7_target *target;

	pair_of(tuple, &pair);
	target = bpf_map_lookup_elem(&l7_targets, &pair);
	if (target && target->generation == generation)
		return target->known == TARGET_JUDGED ? target : NULL;
	if (!target || target->known != TARGET_ASKED) {
		if (target)
			target->known = TARGET_ASKED;
		l7_tell(L7_UNKNOWN, &pair, 0);
	}
	return NULL;
}

/* Judges the request whose first `read` bytes of `bytes` are in `r`. */
static __always_inline int judge_read(struct reading *r, const struct l7_tuple *tuple, struct l7_connection *connection,
				      __u32 read, __u32 bytes)
{
	__u32 generation = current_generation();
	struct l7_target *target;

	if (!read_head(r, read, HEAD_METHOD) || r->head.hosts != 1 || r->head.bytes + r->head.length != bytes ||
	    bytes > request_bytes)
		return L7_SLOW_STRANGE;
	connection->head_request = r->head.method == WORD('H', 'E', 'A', 'D', 0, 0, 0, 0);
	target = target_of(tuple, generation);
	if (!target)
		return L7_SLOW_NO_TARGET;
	if (connection->judged != generation) {
		if (!may_connect(tuple, generation))
			return L7_SLOW_NOT_ALLOWED;
		connection->judged = generation;
	}
	connection->allowed = generation;
	return judge_request(target, r);
}

/* A request that begins where the one before has been answered. */
static __noinline int ask(struct __sk_buff *skb, const struct l7_tuple *tuple, struct l7_connection *connection,
			  __u32 payload, __u32 bytes)
{
	struct reading *r = reading_begin();
	__u32 read = bytes > HEAD_BYTES ? HEAD_BYTES : bytes;
	int slow = L7_SLOW_STRANGE;

	if (!r)
		return slow;
	if (read && read <= HEAD_BYTES && !bpf_skb_load_bytes(skb, payload, r->bytes, read))
		slow = judge_read(r, tuple, connection, read, bytes);
	reading_end();
	return slow;
}

#define O_NONBLOCK 04000
#define PSOCK_POINTER (~7ULL) /* the low bits of sk_user_data are flags */

static __always_inline bool nonblocking(const struct sock *sk)
{
	const struct socket *owner = sk->sk_socket;

	return owner && owner->file && owner->file->f_flags & O_NONBLOCK;
}

/* Lets the socket that sent a packet take part, if it is non-blocking: a blocking one may see EAGAIN there. */
static __always_inline void enter(struct __sk_buff *skb, const struct l7_tuple *tuple, __u32 role, __u64 upstream)
{
	struct l7_upstream *served;
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tcp;
	struct l7_end *end;
	__u64 cookie;

	if (!sk)
		return;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_TCP || sk->state != BPF_TCP_ESTABLISHED)
		return;
	end = bpf_sk_storage_get(&l7_storage, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!end || end->role || end->tries++ > 8)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp || !nonblocking(&tcp->inet_conn.icsk_inet.sk))
		return;
	cookie = bpf_get_socket_cookie(skb);
	end->tuple = *tuple;
	end->cookie = cookie;
	end->upstream = upstream;
	if (bpf_map_update_elem(&l7_ends, &cookie, sk, BPF_NOEXIST))
		return;
	end->role = role;
	l7_count(L7_ENTERED);
	if (role == ROLE_SERVER) {
		served = bpf_map_lookup_elem(&l7_upstreams, &upstream);
		if (served) {
			served->server_cookie = cookie;
			served->server = (__u64)tcp;
		}
	}
}

static __always_inline int look(struct __sk_buff *skb, const struct l7_tuple *tuple, const struct segment *segment)
{
	struct l7_connection *connection = bpf_map_lookup_elem(&l7_connections, tuple);
	__u32 end = segment->sequence + segment->bytes;
	int slow;

	if (!connection || connection->state == L7_UNFRAMED)
		return TCX_NEXT;
	if (connection->state != L7_IDLE) {
		if (!before(connection->request + connection->request_bytes, end))
			return TCX_NEXT; /* once more what was looked at */
		l7_count(L7_HELD);
		return TC_ACT_SHOT;
	}
	if (!before(connection->request + connection->request_bytes, end))
		return TCX_NEXT;
	if (before(segment->acknowledged, connection->answered)) {
		l7_count(L7_HELD);
		return TC_ACT_SHOT;
	}
	enter(skb, tuple, ROLE_CLIENT, 0);
	if (segment->sequence != connection->request + connection->request_bytes) {
		connection->state = L7_UNFRAMED;
		l7_count(L7_SLOW_STRANGE);
		return TCX_NEXT;
	}
	connection->allowed = 0;
	slow = ask(skb, tuple, connection, segment->offset, segment->bytes);
	connection->request = segment->sequence;
	connection->request_bytes = segment->bytes;
	connection->slow = slow;
	connection->left = 0;
	if (slow == L7_SLOW_STRANGE)
		l7_count(slow);
	connection->state = slow == L7_SLOW_STRANGE ? L7_UNFRAMED : L7_ASKED;
	return TCX_NEXT;
}

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
		enter(skb, &tuple, ROLE_SERVER, *upstream);
		return TCX_NEXT;
	}
	tuple.client = p.source;
	tuple.backend = p.destination;
	tuple.client_port = p.source_port;
	tuple.backend_port = p.destination_port;
	tuple.family = p.family;
	return look(skb, &tuple, &segment);
}

/* The connection of one of the proxy's sockets, whose own end is the backend's address. */
#define NAME_OF(tuple, context)                                                                                        \
	do {                                                                                                           \
		if ((context)->family == 2 /* AF_INET */) {                                                            \
			(tuple)->client.word[0] = (context)->remote_ip4;                                               \
			(tuple)->backend.word[0] = (context)->local_ip4;                                               \
			(tuple)->family = FAMILY_4;                                                                    \
		} else {                                                                                               \
			(tuple)->client.word[0] = (context)->remote_ip6[0];                                            \
			(tuple)->client.word[1] = (context)->remote_ip6[1];                                            \
			(tuple)->client.word[2] = (context)->remote_ip6[2];                                            \
			(tuple)->client.word[3] = (context)->remote_ip6[3];                                            \
			(tuple)->backend.word[0] = (context)->local_ip6[0];                                            \
			(tuple)->backend.word[1] = (context)->local_ip6[1];                                            \
			(tuple)->backend.word[2] = (context)->local_ip6[2];                                            \
			(tuple)->backend.word[3] = (context)->local_ip6[3];                                            \
			(tuple)->family = FAMILY_6;                                                                    \
		}                                                                                                      \
		(tuple)->client_port = (context)->remote_port >> 16;                                                   \
		(tuple)->backend_port = bpf_htons((context)->local_port);                                              \
	} while (0)

/* A free connection to the backend, now taken; 0 where there is none. */
static __always_inline __u64 take_upstream(struct l7_target *target)
{
	for (int i = 0; i < L7_SLOTS; i++) {
		__u64 found = target->idle[i];

		if (found && __sync_val_compare_and_swap(&target->idle[i], found, 0) == found)
			return found;
	}
	return 0;
}

static __noinline int put_upstream(struct l7_target *target, __u64 cookie)
{
	if (!target)
		return 0;
	for (int i = 0; i < L7_SLOTS; i++)
		if (!target->idle[i] && !__sync_val_compare_and_swap(&target->idle[i], 0, cookie))
			return 1;
	return 0;
}

/* A free connection to the backend of an allowed request, taken for it; 0 where there is none. */
static __always_inline __u64 claim(const struct l7_tuple *tuple, struct l7_connection *connection, __u64 answer_to,
				   bool to_client, __u32 *slow)
{
	struct l7_upstream *upstream;
	struct l7_target *target;
	struct l7_pair pair = {};
	__u64 cookie;

	pair_of(tuple, &pair);
	target = bpf_map_lookup_elem(&l7_targets, &pair);
	*slow = L7_SLOW_NO_TARGET;
	if (!target || target->generation != connection->allowed || connection->allowed != current_generation())
		return 0;
	*slow = L7_SLOW_NO_UPSTREAM;
	cookie = take_upstream(target);
	upstream = cookie ? bpf_map_lookup_elem(&l7_upstreams, &cookie) : NULL;
	if (upstream && upstream->generation != connection->allowed) {
		upstream->state = UPSTREAM_ORPHAN;
		l7_tell(L7_CLOSE, &pair, cookie);
		upstream = NULL;
	}
	if (upstream) {
		upstream->client = *tuple;
		upstream->cookie = answer_to;
		upstream->head_request = connection->head_request;
		upstream->to_client = to_client;
		upstream->direct = 0;
		upstream->state = UPSTREAM_ASKED;
		connection->upstream = cookie;
		connection->left = 0;
		connection->relayed = 0;
		connection->state = L7_FORWARDED;
		return cookie;
	}
	if (!target->wanted) {
		target->wanted = 1;
		l7_tell(L7_WANTED, &pair, 0);
	}
	return 0;
}

/* The connection could not be used after all. */
static __always_inline void unclaim(const struct l7_tuple *tuple, struct l7_connection *connection, __u64 cookie)
{
	struct l7_upstream *upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	struct l7_pair pair = {};

	pair_of(tuple, &pair);
	if (upstream)
		upstream->state = UPSTREAM_ORPHAN;
	connection->upstream = 0;
	l7_tell(L7_CLOSE, &pair, cookie);
}

static __always_inline __u32 send_direct(struct __sk_buff *skb, const struct l7_tuple *tuple,
					 struct l7_connection *connection)
{
	__u32 slow = connection->slow;
	__u64 cookie;

	if (slow != L7_FAST)
		return slow;
	cookie = claim(tuple, connection, connection->cookie, false, &slow);
	if (!cookie)
		return slow;
	if (bpf_sk_redirect_hash(skb, &l7_sockets, &cookie, 0) == SK_PASS)
		return L7_FAST;
	unclaim(tuple, connection, cookie);
	return L7_SLOW_NO_UPSTREAM;
}

static __always_inline int complete(struct l7_upstream *upstream, __u64 cookie)
{
	struct l7_connection *connection = bpf_map_lookup_elem(&l7_connections, &upstream->client);
	struct l7_target *target;

	if (connection && connection->upstream == cookie) {
		connection->upstream = 0;
		if (upstream->to_client)
			connection->state = L7_IDLE; /* else l7_reply sees when the answer is written */
	}
	upstream->state = UPSTREAM_IDLE;
	target = bpf_map_lookup_elem(&l7_targets, &upstream->pair);
	if (!target || target->generation != upstream->generation || !put_upstream(target, cookie)) {
		upstream->state = UPSTREAM_ORPHAN;
		l7_tell(L7_CLOSE, &upstream->pair, cookie);
	}
	return 0;
}

/* Whether the kernel can pass a response on whose first bytes are in `r`: it knows its end, and that is near. */
static __always_inline bool judge_response(struct reading *r, struct l7_upstream *upstream, __u32 read, __u32 bytes)
{
	__u32 body;
	bool bare;

	if (!read_head(r, read, HEAD_STATUS_VERSION) || r->head.status < 200 || r->head.status > 599)
		return false;
	bare = upstream->head_request || r->head.status == 204 || r->head.status == 304;
	body = bare ? 0 : r->head.length;
	upstream->total = r->head.bytes + body;
	upstream->left = upstream->total;
	return (bare || r->head.lengths) && body <= answer_bytes && bytes <= upstream->total;
}

static __always_inline bool read_response(struct __sk_buff *skb, struct l7_upstream *upstream)
{
	struct reading *r = reading_begin();
	__u32 read = skb->len > HEAD_BYTES ? HEAD_BYTES : skb->len;
	bool understood = false;

	if (!r)
		return false;
	if (read && read <= HEAD_BYTES && !bpf_skb_load_bytes(skb, 0, r->bytes, read))
		understood = judge_response(r, upstream, read, skb->len);
	reading_end();
	return understood;
}

static __always_inline int respond(struct __sk_buff *skb, struct l7_upstream *upstream, __u64 cookie)
{
	struct l7_connection *connection;
	__u64 client = upstream->cookie;
	__u32 bytes = skb->len, to_client;

	if (upstream->state == UPSTREAM_ASKED) {
		if (!read_response(skb, upstream)) {
			upstream->state = UPSTREAM_RELAYED;
			l7_count(L7_RELAYED);
			connection = bpf_map_lookup_elem(&l7_connections, &upstream->client);
			if (connection && connection->upstream == cookie)
				connection->relayed = 1;
			l7_tell(L7_RELAY, &upstream->pair, cookie);
			return SK_PASS;
		}
		upstream->state = UPSTREAM_ANSWERS;
		connection = bpf_map_lookup_elem(&l7_connections, &upstream->client);
		if (connection && connection->upstream == cookie)
			connection->left = upstream->total;
	}
	if (upstream->state != UPSTREAM_ANSWERS)
		return upstream->state == UPSTREAM_ORPHAN ? SK_DROP : SK_PASS;
	if (bytes > upstream->left)
		return SK_PASS; /* more than the response: the agent ends both connections */
	upstream->left -= bytes;
	to_client = upstream->to_client;
	if (!upstream->left)
		complete(upstream, cookie);
	if (to_client)
		return bpf_sk_redirect_hash(skb, &l7_ends, &client, BPF_F_INGRESS);
	return bpf_sk_redirect_hash(skb, &l7_sockets, &client, 0);
}

/* What one of these sockets has received. */
SEC("sk_skb/stream_verdict")
int l7_receive(struct __sk_buff *skb)
{
	struct l7_connection *connection;
	struct l7_upstream *upstream;
	struct l7_tuple tuple = {};
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct bpf_sock *sk = skb->sk;
	struct tcp_skb_cb *segment;
	__u32 slow;

	upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	if (upstream) {
		if (!upstream->socket && sk)
			upstream->socket = (__u64)bpf_skc_to_tcp_sock(sk);
		return respond(skb, upstream, cookie);
	}
	NAME_OF(&tuple, skb);
	connection = bpf_map_lookup_elem(&l7_connections, &tuple);
	if (!connection || connection->state != L7_ASKED)
		return SK_PASS;
	segment = KERNEL(struct tcp_skb_cb, &KERNEL(struct sk_buff, skb)->cb);
	if (segment->seq != connection->request || skb->len != connection->request_bytes) {
		connection->state = L7_UNFRAMED;
		l7_count(L7_SLOW_STRANGE);
		return SK_PASS;
	}
	slow = send_direct(skb, &tuple, connection);
	l7_count(slow);
	if (slow != L7_FAST)
		connection->state = L7_PROXIED;
	return SK_PASS;
}

/* What the proxy sends to a client. */
SEC("sk_msg")
int l7_reply(struct sk_msg_md *msg)
{
	struct l7_connection *connection;
	struct l7_tuple tuple = {};
	struct reading *r;
	__u32 bytes = msg->size, read;
	struct tcp_sock *own;

	NAME_OF(&tuple, msg);
	connection = bpf_map_lookup_elem(&l7_connections, &tuple);
	if (!connection || connection->state == L7_UNFRAMED)
		return SK_PASS;
	if (connection->state == L7_ASKED) { /* the proxy read it before l7_receive was asked */
		connection->state = L7_PROXIED;
		l7_count(L7_SLOW_UNACCEPTED);
	}
	if (connection->relayed)
		return SK_PASS;
	/* What l7_receive redirects is sent here, too. */
	if (connection->state != L7_PROXIED && !(connection->state == L7_FORWARDED && connection->left)) {
		connection->state = L7_UNFRAMED; /* it says something by itself */
		return SK_PASS;
	}
	if (!connection->left) {
		read = bytes > HEAD_BYTES ? HEAD_BYTES : bytes;
		r = reading_begin();
		if (!r) {
			connection->state = L7_UNFRAMED;
			return SK_PASS;
		}
		if (bpf_msg_pull_data(msg, 0, read, 0) || (void *)msg->data + read > (void *)msg->data_end || !read ||
		    read > HEAD_BYTES || bpf_probe_read_kernel(r->bytes, read, msg->data) ||
		    !read_head(r, read, HEAD_STATUS_VERSION) || r->head.status < 200 ||
		    !(r->head.lengths || r->head.status == 204 || r->head.status == 304 || connection->head_request)) {
			connection->state = L7_UNFRAMED;
			reading_end();
			return SK_PASS;
		}
		connection->left = r->head.bytes;
		if (r->head.status != 204 && r->head.status != 304 && !connection->head_request)
			connection->left += r->head.length;
		reading_end();
	}
	if (bytes > connection->left) {
		connection->state = L7_UNFRAMED;
		return SK_PASS;
	}
	connection->left -= bytes;
	if (connection->left)
		return SK_PASS;
	own = bpf_skc_to_tcp_sock(msg->sk);
	if (!own) {
		connection->state = L7_UNFRAMED;
		return SK_PASS;
	}
	connection->answered = own->write_seq + bytes;
	connection->state = L7_IDLE;
	return SK_PASS;
}

static __always_inline __u32 load_message(struct sk_msg_md *msg, struct reading *r)
{
	__u32 read = msg->size > HEAD_BYTES ? HEAD_BYTES : msg->size;

	if (!read || read > HEAD_BYTES || bpf_msg_pull_data(msg, 0, read, 0) ||
	    (void *)msg->data + read > (void *)msg->data_end || bpf_probe_read_kernel(r->bytes, read, msg->data))
		return 0;
	return read;
}

/* Whether nothing is left to read of what came to a socket by any way. */
static __always_inline bool has_read_all(const struct tcp_sock *tcp)
{
	const struct sock *sk = &tcp->inet_conn.icsk_inet.sk;
	const struct sk_psock *psock = KERNEL(struct sk_psock, (__u64)sk->sk_user_data & PSOCK_POINTER);

	return !sk->sk_backlog.rmem_alloc.counter && !psock->ingress_skb.qlen && tcp->copied_seq == tcp->rcv_nxt;
}

/* Whether all that the agent sent by TCP has been read by the backend's socket, which is still the one that entered. */
static __always_inline bool server_ready(const struct l7_upstream *upstream)
{
	const struct tcp_sock *server, *own;

	if (!upstream->server || !upstream->socket)
		return false;
	server = KERNEL(struct tcp_sock, upstream->server);
	own = KERNEL(struct tcp_sock, upstream->socket);
	return server->inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter == upstream->server_cookie &&
	       server->inet_conn.icsk_inet.sk.__sk_common.skc_state == TCP_ESTABLISHED &&
	       nonblocking(&server->inet_conn.icsk_inet.sk) && server->rcv_nxt == own->write_seq && has_read_all(server);
}

static __always_inline __u32 client_sends(struct sk_msg_md *msg, struct l7_end *end)
{
	struct l7_connection *connection = bpf_map_lookup_elem(&l7_connections, &end->tuple);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(msg->sk);
	struct l7_upstream *upstream;
	__u32 slow = L7_SLOW_STRANGE, read;
	struct reading *r;
	__u64 cookie;

	if (!connection || connection->state != L7_IDLE || !tcp)
		return L7_COUNTS;
	if (tcp->copied_seq != connection->answered || tcp->write_seq != connection->request + connection->request_bytes ||
	    !has_read_all(tcp) || !nonblocking(&tcp->inet_conn.icsk_inet.sk))
		return L7_COUNTS;
	r = reading_begin();
	if (!r)
		return L7_COUNTS;
	read = load_message(msg, r);
	if (read)
		slow = judge_read(r, &end->tuple, connection, read, msg->size);
	reading_end();
	if (slow != L7_FAST)
		return L7_COUNTS; /* l7_look counts it */
	cookie = claim(&end->tuple, connection, end->cookie, true, &slow);
	if (!cookie)
		return L7_COUNTS;
	upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	if (upstream && server_ready(upstream) &&
	    bpf_msg_redirect_hash(msg, &l7_ends, &upstream->server_cookie, BPF_F_INGRESS) == SK_PASS) {
		l7_count(L7_DIRECT_ASKED);
		return L7_FAST;
	}
	if (bpf_msg_redirect_hash(msg, &l7_sockets, &cookie, 0) == SK_PASS)
		return L7_FAST;
	unclaim(&end->tuple, connection, cookie);
	connection->state = L7_IDLE;
	return L7_COUNTS;
}

static __always_inline void server_sends(struct sk_msg_md *msg, struct l7_end *end)
{
	struct l7_upstream *upstream = bpf_map_lookup_elem(&l7_upstreams, &end->upstream);
	__u32 read, bytes = msg->size;
	struct reading *r;
	bool understood = false;
	__u64 client;

	if (!upstream || !upstream->to_client)
		return;
	client = upstream->cookie;
	if (upstream->state == UPSTREAM_ASKED && !upstream->direct) {
		r = reading_begin();
		if (!r)
			return;
		read = load_message(msg, r);
		if (read)
			understood = judge_response(r, upstream, read, bytes);
		reading_end();
		if (!understood)
			return;
		if (bpf_msg_redirect_hash(msg, &l7_ends, &client, BPF_F_INGRESS) != SK_PASS)
			return;
		upstream->direct = 1;
		upstream->state = UPSTREAM_ANSWERS;
		l7_count(L7_DIRECT_ANSWERED);
	} else if (upstream->state != UPSTREAM_ANSWERS || !upstream->direct || bytes > upstream->left ||
		   bpf_msg_redirect_hash(msg, &l7_ends, &client, BPF_F_INGRESS) != SK_PASS) {
		return;
	}
	upstream->left -= bytes;
	if (!upstream->left)
		complete(upstream, end->upstream);
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

/* The proxy's sockets, from the end of the handshake to the end of the connection. */
SEC("sockops")
int l7_sockops(struct bpf_sock_ops *ops)
{
	struct l7_connection fresh = {}, *connection;
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
				upstream->state = UPSTREAM_ORPHAN;
				l7_tell(L7_CLOSE, &upstream->pair, connection->upstream);
			}
		}
		bpf_map_delete_elem(&l7_connections, &tuple);
		return 0;
	}
	sk = ops->sk;
	if (!sk)
		return 0;
	own = bpf_skc_to_tcp_sock(sk);
	if (!own)
		return 0;
	fresh.socket = (__u64)own;
	fresh.cookie = cookie;
	fresh.request = own->rcv_nxt;
	fresh.answered = own->write_seq;
	if (bpf_map_update_elem(&l7_connections, &tuple, &fresh, BPF_ANY))
		return 0;
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
	memory_barrier();
	target->generation = errand->generation;
	errand->answer = 1;
	return 0;
}

/* A new connection joins the idle ones. */
SEC("syscall")
int l7_adopt(struct l7_errand *errand)
{
	struct l7_pair pair = errand->pair;
	struct l7_target *target = bpf_map_lookup_elem(&l7_targets, &pair);

	errand->answer = target ? put_upstream(target, errand->cookie) : 0;
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
	for (int i = 0; target && i < L7_SLOTS; i++)
		if (target->idle[i] == cookie && __sync_val_compare_and_swap(&target->idle[i], cookie, 0) == cookie)
			errand->answer = 1;
	return 0;
}

/* The agent will write the answer that a connection was to bring. */
SEC("syscall")
int l7_take_over(struct l7_errand *errand)
{
	struct l7_connection *connection;
	struct l7_upstream *upstream;
	__u64 cookie = errand->cookie;
	struct l7_tuple tuple;

	upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	if (!upstream)
		return 0;
	tuple = upstream->client;
	upstream->state = UPSTREAM_RELAYED;
	connection = bpf_map_lookup_elem(&l7_connections, &tuple);
	if (!connection || connection->upstream != cookie)
		return 0;
	connection->relayed = 1;
	errand->answer = 1;
	l7_count(L7_LOST);
	return 0;
}

/* The answer that a connection was to bring has been written by the agent, to its end: the client may ask on. */
SEC("syscall")
int l7_finish(struct l7_errand *errand)
{
	struct l7_connection *connection;
	struct l7_upstream *upstream;
	__u64 cookie = errand->cookie;
	struct l7_tuple tuple;

	upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	if (!upstream)
		return 0;
	tuple = upstream->client;
	upstream->state = UPSTREAM_IDLE;
	connection = bpf_map_lookup_elem(&l7_connections, &tuple);
	if (!connection || connection->upstream != cookie)
		return 0;
	connection->upstream = 0;
	connection->relayed = 0;
	connection->left = 0;
	connection->answered = KERNEL(struct tcp_sock, connection->socket)->write_seq;
	connection->state = L7_IDLE;
	errand->answer = 1;
	return 0;
}
