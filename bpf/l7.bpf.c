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
static __always_inline bool takes(__u32 set, __u64 method, const struct reading *r, struct l7_rule_key *key)
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

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct l7_rule_key);
} l7_asked SEC(".maps");

/* Why the kernel does not allow a request that it has read, L7_FAST where it does. Runs in softirq only. */
static __always_inline __u32 judge_request(struct __sk_buff *skb, const struct l7_target *target, const struct reading *r,
					   __u32 payload)
{
	__u32 first = 0, bytes = r->head.target_bytes;
	struct l7_rule_key *key = bpf_map_lookup_elem(&l7_asked, &first);

	if (!key || bytes == 0 || bytes >= L7_PATH)
		return L7_SLOW_NOT_ALLOWED;
	if (bpf_skb_load_bytes(skb, payload + r->head.target, key->path, bytes))
		return L7_SLOW_NOT_ALLOWED;
	key->path[bytes] = 0;
	key->prefix = (sizeof(key->set) + sizeof(key->method) + bytes + 1) * 8;
	if (!takes(target->sets[0], r->head.method, r, key) || !takes(target->sets[1], r->head.method, r, key))
		return L7_SLOW_NOT_ALLOWED;
	return L7_FAST;
}

/* A request that begins where the one before has been answered. */
static __noinline int ask(struct __sk_buff *skb, const struct l7_tuple *tuple, struct l7_connection *connection,
			  __u32 payload, __u32 bytes)
{
	struct reading *r = reading_begin();
	struct l7_target *target;
	struct l7_pair pair = {};
	__u32 read = bytes > HEAD_BYTES ? HEAD_BYTES : bytes;
	int slow = L7_SLOW_STRANGE;

	if (!r)
		return slow;
	if (read && read <= HEAD_BYTES && !bpf_skb_load_bytes(skb, payload, r->bytes, read) &&
	    read_head(r, read, HEAD_METHOD) && r->head.hosts == 1 && r->head.bytes + r->head.length == bytes &&
	    bytes <= request_bytes) {
		connection->head_request = r->head.method == WORD('H', 'E', 'A', 'D', 0, 0, 0, 0);
		pair_of(tuple, &pair);
		target = bpf_map_lookup_elem(&l7_targets, &pair);
		slow = L7_SLOW_NO_TARGET;
		if (target && target->generation == current_generation()) {
			slow = judge_request(skb, target, r, payload);
			connection->allowed = target->generation;
		}
	}
	reading_end();
	return slow;
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

static __always_inline __u32 send_direct(struct __sk_buff *skb, const struct l7_tuple *tuple,
					 struct l7_connection *connection)
{
	struct tcp_sock *own = KERNEL(struct tcp_sock, connection->socket);
	struct l7_upstream *upstream;
	struct l7_target *target;
	struct l7_pair pair = {};
	__u64 cookie;

	if (connection->slow != L7_FAST)
		return connection->slow;
	pair_of(tuple, &pair);
	target = bpf_map_lookup_elem(&l7_targets, &pair);
	if (!target || target->generation != connection->allowed || connection->allowed != current_generation())
		return L7_SLOW_NO_TARGET;
	for (int i = 0; i < 4; i++) {
		cookie = take_upstream(target);
		if (!cookie)
			break;
		upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
		if (!upstream)
			continue;
		upstream->client = *tuple;
		upstream->cookie = connection->cookie;
		upstream->written = own->write_seq;
		upstream->head_request = connection->head_request;
		upstream->state = UPSTREAM_ASKED;
		connection->upstream = cookie;
		connection->state = L7_DIRECT;
		if (bpf_sk_redirect_hash(skb, &l7_sockets, &cookie, 0) == SK_PASS)
			return L7_FAST;
		upstream->state = UPSTREAM_ORPHAN;
		l7_tell(L7_CLOSE, &pair, cookie);
	}
	if (!target->wanted) {
		target->wanted = 1;
		l7_tell(L7_WANTED, &pair, 0);
	}
	return L7_SLOW_NO_UPSTREAM;
}

static __always_inline int complete(struct l7_upstream *upstream, __u64 cookie)
{
	struct l7_connection *connection = bpf_map_lookup_elem(&l7_connections, &upstream->client);
	struct l7_target *target;

	if (connection && connection->cookie == upstream->cookie)
		connection->upstream = 0; /* l7_reply sees when the answer is written */
	upstream->state = UPSTREAM_IDLE;
	target = bpf_map_lookup_elem(&l7_targets, &upstream->pair);
	if (!put_upstream(target, cookie)) {
		upstream->state = UPSTREAM_ORPHAN;
		l7_tell(L7_CLOSE, &upstream->pair, cookie);
	}
	return 0;
}

/* Whether the kernel can pass a response on whose head is in `skb`: it knows its end, and that is near. */
static __always_inline bool read_response(struct __sk_buff *skb, struct l7_upstream *upstream)
{
	struct reading *r = reading_begin();
	__u32 read = skb->len > HEAD_BYTES ? HEAD_BYTES : skb->len;
	bool understood = false;

	if (!r)
		return false;
	if (read && read <= HEAD_BYTES && !bpf_skb_load_bytes(skb, 0, r->bytes, read) &&
	    read_head(r, read, HEAD_STATUS_VERSION) && r->head.status >= 200 && r->head.status <= 599) {
		bool bare = upstream->head_request || r->head.status == 204 || r->head.status == 304;
		__u32 body = bare ? 0 : r->head.length;

		upstream->total = r->head.bytes + body;
		understood = (bare || r->head.lengths) && body <= answer_bytes && skb->len <= upstream->total;
		upstream->left = upstream->total;
	}
	reading_end();
	return understood;
}

static __always_inline int respond(struct __sk_buff *skb, struct l7_upstream *upstream, __u64 cookie)
{
	struct l7_connection *connection;
	__u64 client = upstream->cookie;
	__u32 bytes = skb->len;

	if (upstream->state == UPSTREAM_ASKED) {
		if (!read_response(skb, upstream)) {
			upstream->state = UPSTREAM_RELAYED;
			l7_count(L7_RELAYED);
			l7_tell(L7_RELAY, &upstream->pair, cookie);
			return SK_PASS;
		}
		upstream->state = UPSTREAM_ANSWERS;
		connection = bpf_map_lookup_elem(&l7_connections, &upstream->client);
		if (connection && connection->cookie == client)
			connection->left = upstream->total;
	}
	if (upstream->state != UPSTREAM_ANSWERS)
		return upstream->state == UPSTREAM_ORPHAN ? SK_DROP : SK_PASS;
	if (bytes > upstream->left)
		return SK_PASS; /* more than the response: the agent ends both connections */
	upstream->left -= bytes;
	if (!upstream->left)
		complete(upstream, cookie);
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
	struct tcp_skb_cb *segment;
	__u32 slow;

	upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	if (upstream)
		return respond(skb, upstream, cookie);
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
	/* What l7_receive redirects is sent here, too. */
	if (connection->state != L7_PROXIED && !(connection->state == L7_DIRECT && connection->left)) {
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

struct l7_adoption {
	__u64 cookie;
	__u32 finish; /* bytes of an answer that was relayed; else the connection is a new one */
	__u32 answer; /* whether this program did it */
	struct l7_pair pair;
};

/* For the agent: puts a new connection among the idle ones, or one whose answer it has relayed. */
SEC("syscall")
int l7_adopt(struct l7_adoption *asked)
{
	struct l7_upstream *upstream;
	struct l7_target *target;
	struct l7_pair pair = asked->pair;
	__u64 cookie = asked->cookie;

	if (asked->finish) {
		upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
		if (upstream && upstream->state == UPSTREAM_RELAYED) {
			upstream->total = asked->finish;
			complete(upstream, cookie);
			asked->answer = upstream->state == UPSTREAM_IDLE;
		}
		return 0;
	}
	target = bpf_map_lookup_elem(&l7_targets, &pair);
	asked->answer = put_upstream(target, cookie);
	if (target)
		target->wanted = 0;
	return 0;
}

/* For the agent: takes an idle connection out. */
SEC("syscall")
int l7_evict(struct l7_adoption *asked)
{
	struct l7_pair pair = asked->pair;
	struct l7_target *target = bpf_map_lookup_elem(&l7_targets, &pair);
	__u64 cookie = asked->cookie;

	asked->answer = 0;
	if (!target)
		return 0;
	for (int i = 0; i < L7_SLOTS; i++)
		if (target->idle[i] == cookie && __sync_val_compare_and_swap(&target->idle[i], cookie, 0) == cookie)
			asked->answer = 1;
	return 0;
}
