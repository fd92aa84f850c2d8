/* SPDX-License-Identifier: Dual BSD/GPL
 * Whether the kernel may let a request pass, by what the agent has said of the connection's two ends (harness/mesh/l7.py).
 */
#pragma once

#include "l7_flow.h"
#include "l7_route.h"
#include "verdict.h"

/* Longer answers, which would fill the kernel's queue for a client that does not read, are relayed by the agent. */
const volatile __u32 answer_bytes = 256 << 10;
/* Longer requests go to the proxy. */
const volatile __u32 request_bytes = 64 << 10;

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

/* Has rules asked about the path and query of a request that was read; whether that can be. */
static __always_inline bool ask_rules(struct reading *r)
{
	__u32 bytes = r->head.target_bytes, at = r->head.target;

	if (bytes == 0 || bytes >= PATH_BYTES || at >= HEAD_BYTES)
		return false;
	if (bpf_probe_read_kernel(r->key.path, bytes, r->bytes + at))
		return false;
	r->key.path[bytes] = 0;
	r->key.prefix = (sizeof(r->key.set) + sizeof(r->key.method) + bytes + 1) * 8;
	return true;
}

/* Why the kernel does not allow a request that it has read, L7_FAST where it does. */
static __always_inline __u32 judge_request(const struct l7_target *target, struct reading *r)
{
	if (!ask_rules(r))
		return L7_SLOW_NOT_ALLOWED;
	if (!takes(target->sets[0], r->head.method, &r->key) || !takes(target->sets[1], r->head.method, &r->key))
		return L7_SLOW_NOT_ALLOWED;
	return L7_FAST;
}

/* The same of a request to a Service, and where it may go. All backends allow it: which it will be is not drawn yet. */
__noinline int route_request(__u32 place, __u32 table, struct l7_means *means)
{
	struct reading *r = reading_at(place);
	struct l7_choice *choice;
	int slow;

	if (!r || !means)
		return L7_SLOW_NO_TARGET;
	choice = choose(r, table, &slow);
	if (!choice || slow != L7_FAST)
		return slow;
	if (!ask_rules(r))
		return L7_SLOW_ROUTE_LARGE;
	for (int i = 0; i < ROUTE_SETS; i++)
		if (!takes(choice->sets[i], r->head.method, &r->key))
			return L7_SLOW_ROUTE_REFUSED;
	means->table = table;
	means->shares = choice->shares;
	means->count = choice->count;
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
	if (to->flags & ENDPOINT_HOST) /* a Service's: rules are about its pods, and asked of each */
		return 1;
	judgement = judge_flow(generation, &flow, from, to);
	return !judgement.reason;
}

static __always_inline bool is_head_request(const struct head *h)
{
	return h->method == WORD('H', 'E', 'A', 'D', 0, 0, 0, 0);
}

/*
 * Judges the request whose first `read` bytes of `bytes` are in `r`; `whole` is how many it is known to have, and `means` where it
 * may go, if it is allowed.
 */
static __always_inline int judge_read(struct reading *r, const struct l7_tuple *tuple, struct l7_connection *connection,
				      __u32 read, __u32 bytes, __u32 *whole, struct l7_means *means)
{
	__u32 generation = current_generation(), table = 0;
	struct l7_target *target;
	struct l7_pair pair = {};

	pair_of(tuple, &pair);
	target = bpf_map_lookup_elem(&l7_targets, &pair);
	if (target && target->generation == generation && target->known == TARGET_ROUTED) {
		table = target->sets[0];
		r->asked = target->sets[1] ? table : 0;
	}
	if (!read_head(r, read, HEAD_METHOD)) {
		*whole = read;
		return r->head.state == HEAD_STRANGE ? L7_SLOW_STRANGE : L7_SLOW_IN_PIECES;
	}
	if (r->head.hosts != 1 || !is_framed(&r->head))
		return L7_SLOW_STRANGE;
	*whole = r->head.bytes + r->head.length;
	connection->head_request = is_head_request(&r->head);
	if (r->head.chunked)
		return L7_SLOW_ODD;
	if (*whole < bytes)
		return L7_SLOW_STRANGE;
	if (*whole != bytes || bytes > request_bytes)
		return L7_SLOW_IN_PIECES;
	if (r->head.odd)
		return L7_SLOW_ODD;
	if (connection->judged != generation) {
		if (!may_connect(tuple, generation))
			return L7_SLOW_NOT_ALLOWED;
		connection->judged = generation;
	}
	/* Only now: what the agent learns of a pair has it open connections in the client's name. */
	if (!target || target->generation != generation) {
		ask_of(target, &pair, generation);
		return L7_SLOW_NO_TARGET;
	}
	connection->allowed = generation;
	if (table)
		return route_request(r->place, table, means);
	if (target->known != TARGET_JUDGED)
		return L7_SLOW_NO_TARGET;
	return judge_request(target, r);
}

/* Loads as much of a message as is read of a head, or all; how much that is. */
static __always_inline __u32 load_head(struct sk_msg_md *msg, struct reading *r)
{
	__u32 read = msg->size > HEAD_BYTES ? HEAD_BYTES : msg->size;

	return load_message(msg, 0, r->bytes, read, HEAD_BYTES) ? read : 0;
}
