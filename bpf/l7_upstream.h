/* SPDX-License-Identifier: Dual BSD/GPL
 * Connections to backends: taken for one request, given back when it is answered.
 */
#pragma once

#include "l7_judge.h"
#include "l7_owed.h"

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
static __always_inline __u64 claim(const struct l7_tuple *tuple, struct l7_connection *connection, const struct l7_means *means,
				   __u64 answer_to, bool to_client, const struct reading *r, __u32 *slow)
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
	if (means->table) {
		if (target->sets[0] != means->table)
			return 0;
		*slow = draw(tuple, means, connection->allowed, &pair);
		if (*slow != L7_FAST)
			return 0;
		*slow = L7_SLOW_NO_TARGET;
		target = bpf_map_lookup_elem(&l7_targets, &pair);
		if (!target)
			return 0;
	}
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
		upstream->direct = ANSWER_UNKNOWN;
		flow_asked(upstream, r);
		upstream->state = UPSTREAM_ASKED;
		connection->upstream = cookie;
		connection->framed = 0;
		connection->relayed = 0;
		connection->state = L7_FORWARDED;
		if (means->table)
			l7_count(L7_ROUTED);
		return cookie;
	}
	if (!target->wanted) {
		target->wanted = 1;
		l7_tell(L7_WANTED, &pair, connection->allowed);
	}
	return 0;
}

/* The connection could not be used after all. */
static __always_inline void unclaim(const struct l7_tuple *tuple, struct l7_connection *connection, __u64 cookie)
{
	struct l7_upstream *upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);
	struct l7_pair pair = {};

	pair_of(tuple, &pair);
	if (upstream) {
		flow_forget(upstream);
		upstream->state = UPSTREAM_ORPHAN;
	}
	connection->upstream = 0;
	l7_tell(L7_CLOSE, &pair, cookie);
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

/* Whether the kernel can pass a response on whose first bytes are in `r`: it knows its end, that is near, and the node is not full. */
static __always_inline bool judge_response(struct reading *r, struct l7_upstream *upstream, __u32 read, __u32 bytes, bool *full)
{
	bool read_whole = read_head(r, read, HEAD_STATUS_VERSION), bare;
	__u32 body;

	flow_status(upstream, r);
	if (!read_whole || r->head.odd || r->head.status < 200 || r->head.status > 599)
		return false;
	bare = upstream->head_request || r->head.status == 204 || r->head.status == 304;
	body = bare ? 0 : r->head.length;
	upstream->total = r->head.bytes + body;
	upstream->left = upstream->total;
	if ((!bare && !r->head.lengths) || body > answer_bytes || bytes > upstream->total)
		return false;
	if (owe(upstream))
		return true;
	*full = true;
	return false;
}
