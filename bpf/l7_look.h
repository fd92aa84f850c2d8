/* SPDX-License-Identifier: Dual BSD/GPL
 * Requests on their way to the proxy's socket: read once each, in order; what comes too early is held back.
 */
#pragma once

#include "l7_chunks.h"
#include "l7_listen.h"

#define TCX_NEXT (-1)
#define HEAD_PIECES 64 /* 1 KiB each, in one packet */

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

/* Has l7_receive know a request of `bytes` again, 0 for none. */
static __always_inline void keep_seen(struct l7_connection *connection, const struct reading *r, __u32 bytes)
{
	connection->seen_bytes = 0;
	if (load_memory(connection->seen, r->bytes, bytes, SEEN_BYTES))
		connection->seen_bytes = bytes;
}

/* A request that begins where the one before has been answered. */
static __noinline int ask(struct __sk_buff *skb, const struct l7_tuple *tuple, struct l7_connection *connection,
			  __u32 payload, __u32 bytes)
{
	struct reading *r = reading_begin();
	__u32 read = bytes > HEAD_BYTES ? HEAD_BYTES : bytes;
	int slow = L7_SLOW_STRANGE;
	struct l7_means means = {};
	__u32 whole = bytes;

	if (!r)
		return slow;
	if (load_packet(skb, payload, r->bytes, read, HEAD_BYTES))
		slow = judge_read(r, tuple, connection, read, bytes, &whole, &means);
	keep_seen(connection, r, slow == L7_FAST && !means.table ? bytes : 0);
	connection->request_bytes = whole;
	connection->rest = REST_NOTHING;
	__builtin_memset(&connection->size, 0, sizeof(connection->size));
	if (slow == L7_SLOW_IN_PIECES && r->head.state < HEAD_READ) {
		connection->rest = REST_HEAD;
		connection->head = r->head;
	} else if (slow == L7_SLOW_ODD && r->head.chunked) {
		connection->rest = REST_CHUNKS;
	}
	reading_end(r);
	return slow;
}

/* Of a head that is read piece by piece. */
struct head_pieces {
	struct __sk_buff *skb;
	struct reading *reading;
	__u32 offset;
	__u32 left;
};

static long piece_of_head(__u32 index, struct head_pieces *at)
{
	__u32 read = at->left > HEAD_BYTES ? HEAD_BYTES : at->left;

	if (!load_packet(at->skb, at->offset, at->reading->bytes, read, HEAD_BYTES))
		return 1;
	at->offset += read;
	at->left -= read;
	read_on(at->reading, read);
	return at->reading->head.state >= HEAD_READ;
}

/* More of the head of the request in progress, which began in packets before this one: whether it can be one. */
static __noinline int go_on_with_head(struct __sk_buff *skb, struct l7_connection *connection, __u32 offset, __u32 left)
{
	struct head_pieces at = {.skb = skb, .offset = offset, .left = left};
	struct head *head = connection ? &connection->head : NULL;

	at.reading = reading_begin();
	if (!at.reading || !head)
		return 0;
	at.reading->head = *head;
	bpf_loop(HEAD_PIECES, piece_of_head, &at, 0);
	*head = at.reading->head;
	reading_end(at.reading);
	if (head->state < HEAD_READ) {
		connection->request_bytes += left;
		return !at.left;
	}
	if (head->state == HEAD_STRANGE || head->hosts != 1 || !is_framed(head))
		return 0;
	connection->head_request = is_head_request(head);
	connection->request_bytes = head->bytes + head->length;
	connection->rest = head->chunked ? REST_CHUNKS : REST_NOTHING;
	return 1;
}

/* More of the request in progress, of which it is not known yet where it ends: whether it will be. */
static __noinline bool go_on(struct __sk_buff *skb, struct l7_connection *connection, const struct segment *segment)
{
	struct chunks at = {.context = skb, .size = &connection->size, .payload = segment->offset, .bytes = segment->bytes};

	at.next = connection->request + connection->request_bytes - segment->sequence;
	if (connection->rest == REST_HEAD) {
		if (at.next < at.bytes &&
		    !go_on_with_head(skb, connection, at.payload + at.next, at.bytes - at.next))
			return false;
		at.next = connection->request + connection->request_bytes - segment->sequence;
		if (connection->rest == REST_NOTHING)
			return at.next >= at.bytes;
	}
	if (connection->rest != REST_CHUNKS)
		return true;
	bpf_loop(CHUNKS, chunk_of_packet, &at, 0);
	connection->request_bytes = segment->sequence + at.next - connection->request;
	if (at.over)
		connection->rest = REST_NOTHING;
	return followed(&at);
}

/* Has TCP send a packet again, later. */
static __always_inline int hold(void)
{
	l7_count(L7_HELD);
	return TC_ACT_SHOT;
}

/* Nobody here knows any more where a request begins. */
static __always_inline int give_up(const struct l7_tuple *tuple, struct l7_connection *connection, __u32 why)
{
	connection->state = L7_UNFRAMED;
	went_slow(tuple, why);
	return leave_to_proxy(connection) ? TCX_NEXT : hold();
}

/* Nobody else's packets may change what is known of a connection; those the mesh's own programs drop. */
static __always_inline bool sent_by_source(struct __sk_buff *skb, const struct packet *p)
{
	struct endpoint *from = find_endpoint(current_generation(), p->family, &p->source);

	return from && !check_source(skb, from, from->flags & ENDPOINT_LOCAL ? FROM_POD : FROM_WIRE);
}

static __always_inline int look(struct __sk_buff *skb, const struct packet *p, const struct l7_tuple *tuple,
				const struct segment *segment)
{
	struct l7_connection *connection = bpf_map_lookup_elem(&l7_connections, tuple);
	__u32 end = segment->sequence + segment->bytes;
	int slow;

	if (!connection || (connection->state == L7_UNFRAMED && !connection->listens) || !sent_by_source(skb, p))
		return TCX_NEXT;
	if (connection->state == L7_UNFRAMED)
		return leave_to_proxy(connection) ? TCX_NEXT : hold();
	/* What was lost behind this program may be sent again together with what follows it. */
	if (connection->state == L7_ASKED && segment->sequence == connection->request) {
		connection->request_bytes = 0;
		connection->state = L7_IDLE;
	}
	if (!before(connection->request + connection->request_bytes, end))
		return TCX_NEXT; /* more of the request that is in progress, or of what was looked at */
	if (connection->rest && !before(connection->request + connection->request_bytes, segment->sequence))
		return go_on(skb, connection, segment) ? TCX_NEXT : give_up(tuple, connection, L7_SLOW_UNFRAMED);
	settle_answered(connection, segment->acknowledged);
	if (connection->state == L7_PROXIED && !connection->rest) /* the proxy keeps the order of what it is asked */
		return give_up(tuple, connection, L7_SLOW_UNFRAMED);
	if (connection->state != L7_IDLE || before(segment->acknowledged, connection->answered) ||
	    (connection->listens && !proxy_has_read(connection)))
		return hold();
	enter(skb, p, tuple, ROLE_CLIENT, 0);
	if (segment->sequence != connection->request + connection->request_bytes)
		return give_up(tuple, connection, L7_SLOW_STRANGE);
	connection->allowed = 0;
	slow = ask(skb, tuple, connection, segment->offset, segment->bytes);
	connection->request = segment->sequence;
	connection->framed = 0;
	connection->chunked = 0;
	if (slow == L7_SLOW_STRANGE || (connection->rest && !go_on(skb, connection, segment)))
		return give_up(tuple, connection, L7_SLOW_STRANGE);
	connection->state = L7_ASKED;
	if (slow == L7_FAST && !listen_to(skb, p, tuple, connection))
		slow = L7_SLOW_UNACCEPTED;
	if (slow != L7_FAST) {
		connection->state = L7_PROXIED;
		went_slow(tuple, slow);
		leave_to_proxy(connection); /* it can: see above */
	}
	return TCX_NEXT;
}
