/* SPDX-License-Identifier: Dual BSD/GPL
 * Requests on their way to the proxy's socket: read once each, in order; what comes too early is held back.
 */
#pragma once

#include "l7_ends.h"

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

/* A request that begins where the one before has been answered. */
static __noinline int ask(struct __sk_buff *skb, const struct l7_tuple *tuple, struct l7_connection *connection,
			  __u32 payload, __u32 bytes)
{
	struct reading *r = reading_begin();
	__u32 read = bytes > HEAD_BYTES ? HEAD_BYTES : bytes;
	int slow = L7_SLOW_STRANGE;
	__u32 whole = bytes;

	if (!r)
		return slow;
	if (read && read <= HEAD_BYTES && !bpf_skb_load_bytes(skb, payload, r->bytes, read))
		slow = judge_read(r, tuple, connection, read, bytes, &whole);
	connection->request_bytes = whole;
	reading_end();
	return slow;
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

	if (!connection || connection->state == L7_UNFRAMED || !sent_by_source(skb, p))
		return TCX_NEXT;
	/* What was lost behind this program may be sent again together with what follows it. */
	if (connection->state == L7_ASKED && segment->sequence == connection->request) {
		connection->request_bytes = 0;
		connection->state = L7_IDLE;
	}
	if (!before(connection->request + connection->request_bytes, end))
		return TCX_NEXT; /* more of the request that is in progress, or of what was looked at */
	settle_answered(connection, segment->acknowledged);
	if (connection->state == L7_PROXIED) { /* the proxy keeps the order of what it is asked */
		connection->state = L7_UNFRAMED;
		went_slow(tuple, L7_SLOW_UNFRAMED);
		return TCX_NEXT;
	}
	if (connection->state != L7_IDLE || before(segment->acknowledged, connection->answered)) {
		l7_count(L7_HELD);
		return TC_ACT_SHOT;
	}
	enter(skb, p, tuple, ROLE_CLIENT, 0);
	if (segment->sequence != connection->request + connection->request_bytes) {
		connection->state = L7_UNFRAMED;
		went_slow(tuple, L7_SLOW_STRANGE);
		return TCX_NEXT;
	}
	connection->allowed = 0;
	slow = ask(skb, tuple, connection, segment->offset, segment->bytes);
	connection->request = segment->sequence;
	connection->slow = slow;
	connection->framed = 0;
	if (slow == L7_SLOW_STRANGE)
		went_slow(tuple, slow);
	connection->state = slow == L7_SLOW_STRANGE ? L7_UNFRAMED : L7_ASKED;
	if (slow == L7_SLOW_IN_PIECES) { /* l7_receive cannot send a part of it on */
		connection->state = L7_PROXIED;
		went_slow(tuple, slow);
	}
	return TCX_NEXT;
}
