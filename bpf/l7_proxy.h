/* SPDX-License-Identifier: Dual BSD/GPL
 * The proxy's sockets towards clients, from which allowed requests are sent on, and into which answers go.
 */
#pragma once

#include "l7_chunks.h"
#include "l7_ends.h"

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

/* Whether what is in `r` is byte for byte what l7_look has allowed, and would again. */
static __always_inline bool is_as_seen(const struct reading *r, __u32 bytes, const struct l7_connection *connection)
{
#ifdef L7_FLOW_RING
	return false; /* an event wants it read */
#else
	const __u64 *received = (const __u64 *)r->bytes;

	if (bytes != connection->seen_bytes || connection->allowed != current_generation())
		return false;
	for (__u32 i = 0; i < SEEN_BYTES / 8; i++) {
		__u64 differs = received[i] ^ connection->seen[i];

		if (bytes <= i * 8 + 8)
			return !(differs << (i * 8 + 8 - bytes) * 8);
		if (differs)
			return false;
	}
	return false;
#endif
}

/*
 * Judges once more what l7_look has judged: that saw a packet, this is what TCP made of it. Whoever writes packets of his
 * own could show the one an allowed request and TCP another.
 */
static __always_inline __u32 judge_received(struct __sk_buff *skb, struct reading *r, const struct l7_tuple *tuple,
					    struct l7_connection *connection, struct l7_means *means)
{
	__u32 read = skb->len > HEAD_BYTES ? HEAD_BYTES : skb->len, whole = 0;

	if (!load_packet(skb, 0, r->bytes, read, HEAD_BYTES))
		return L7_SLOW_STRANGE;
	if (is_as_seen(r, skb->len, connection))
		return L7_FAST;
	return judge_read(r, tuple, connection, read, skb->len, &whole, means);
}

static __always_inline __u32 send_direct(struct __sk_buff *skb, const struct l7_tuple *tuple,
					 struct l7_connection *connection)
{
	struct l7_upstream *upstream;
	struct l7_means means = {};
	struct reading *r;
	__u32 slow;
	__u64 cookie;

	r = reading_begin();
	if (!r)
		return L7_SLOW_STRANGE;
	slow = judge_received(skb, r, tuple, connection, &means);
	cookie = slow == L7_FAST ? claim(tuple, connection, &means, connection->cookie, false, r, &slow) : 0;
	reading_end(r);
	if (!cookie)
		return slow;
	upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	if (upstream && server_ready(upstream) &&
	    bpf_sk_redirect_hash(skb, &l7_ends, &upstream->server_cookie, BPF_F_INGRESS) == SK_PASS) {
		flow_way(upstream, WAY_ASKED);
		l7_count(L7_DIRECT_ASKED);
		return L7_FAST;
	}
	if (bpf_sk_redirect_hash(skb, &l7_sockets, &cookie, 0) == SK_PASS)
		return L7_FAST;
	unclaim(tuple, connection, cookie);
	return L7_SLOW_NO_UPSTREAM;
}

static __always_inline bool read_response(struct __sk_buff *skb, struct l7_upstream *upstream, bool *full)
{
	struct reading *r = reading_begin();
	__u32 read = skb->len > HEAD_BYTES ? HEAD_BYTES : skb->len;
	bool understood = false;

	if (!r)
		return false;
	if (load_packet(skb, 0, r->bytes, read, HEAD_BYTES))
		understood = judge_response(r, upstream, read, skb->len, full);
	reading_end(r);
	return understood;
}

static __always_inline int respond(struct __sk_buff *skb, struct l7_upstream *upstream, __u64 cookie)
{
	struct l7_connection *connection;
	__u64 client = upstream->cookie;
	__u32 bytes = skb->len, to_client;
	bool full = false;

	if (!bytes)
		return SK_PASS; /* the backend has ended the connection: the agent hears of it */
	if (upstream->state == UPSTREAM_ASKED) {
		if (!read_response(skb, upstream, &full)) {
			upstream->state = UPSTREAM_RELAYED;
			flow_answered(upstream, WAY_RELAYED);
			l7_count(full ? L7_RELAYED_FULL : L7_RELAYED);
			connection = bpf_map_lookup_elem(&l7_connections, &upstream->client);
			if (connection && connection->upstream == cookie)
				connection->relayed = 1;
			l7_tell(L7_RELAY, &upstream->pair, cookie);
			return SK_PASS;
		}
		flow_answered(upstream, 0);
		upstream->state = UPSTREAM_ANSWERS;
		connection = bpf_map_lookup_elem(&l7_connections, &upstream->client);
		if (connection && connection->upstream == cookie && !upstream->to_client) {
			connection->answered = FIELD(KERNEL(struct tcp_sock, connection->socket), write_seq) + upstream->total;
			connection->framed = 1;
		}
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

/* Goes through the chunks of an answer that begin in what is sent next: whether that may be. */
static __noinline int follow_answer(struct sk_msg_md *msg, struct l7_connection *connection, __u32 begins)
{
	struct chunks at = {.context = msg, .bytes = msg->size};

	at.size = connection ? &connection->answer_size : NULL;
	if (!at.size || before(connection->answered, begins))
		return 0; /* what stood there was not shown to this program */
	at.next = connection->answered - begins;
	bpf_loop(CHUNKS, chunk_of_message, &at, 0);
	connection->answered = begins + at.next;
	connection->chunked = !at.over;
	connection->framed = at.over;
	return followed(&at);
}

/* The proxy's answer begins with `bytes` of `r`: whether it is known where it ends, or will be. */
static __always_inline bool frame(struct l7_connection *connection, struct reading *r, __u32 read, __u32 bytes, __u32 begins)
{
	__u32 total;
	bool bare;

	if (!read_head(r, read, HEAD_STATUS_VERSION) || !is_framed(&r->head) || r->head.status < 200)
		return false;
	bare = connection->head_request || r->head.status == 204 || r->head.status == 304;
	total = r->head.bytes + (bare ? 0 : r->head.length);
	connection->answered = begins + total;
	if (r->head.chunked && !bare) {
		connection->chunked = 1;
		__builtin_memset(&connection->answer_size, 0, sizeof(connection->answer_size));
		return true;
	}
	if ((!bare && !r->head.lengths) || bytes > total)
		return false;
	connection->framed = 1;
	return true;
}

/* What the proxy says to a client, or what was redirected into its socket: whether that can be an answer, or a part of one. */
static __always_inline bool may_say(struct sk_msg_md *msg, struct l7_connection *connection)
{
	struct tcp_sock *own = bpf_skc_to_tcp_sock(msg->sk);
	struct reading *r;
	bool known = true;
	__u32 read;

	if (!own)
		return false;
	if (connection->framed)
		return before(own->write_seq, connection->answered);
	if (connection->state != L7_PROXIED)
		return false;
	if (!connection->chunked) {
		r = reading_begin();
		if (!r)
			return false;
		read = load_head(msg, r);
		known = read && frame(connection, r, read, msg->size, own->write_seq);
		reading_end(r);
	}
	return known && (!connection->chunked || follow_answer(msg, connection, own->write_seq));
}
