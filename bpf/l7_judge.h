/* SPDX-License-Identifier: Dual BSD/GPL
 * Whether the kernel may let a request pass, by what the agent has said of the connection's two ends (harness/mesh/l7.py).
 */
#pragma once

#include "l7_flow.h"
#include "verdict.h"

/* Longer answers, which would fill the kernel's queue for a client that does not read, are relayed by the agent. */
const volatile __u32 answer_bytes = 256 << 10;
/* Longer requests go to the proxy. */
const volatile __u32 request_bytes = 64 << 10;

/* The client has `seen` so much of what the proxy's socket sent: whether that ends its request. */
static __always_inline void settle_answered(struct l7_connection *connection, __u32 seen)
{
	if (connection->framed && (connection->state == L7_PROXIED || connection->state == L7_FORWARDED) &&
	    !before(seen, connection->answered)) {
		connection->framed = 0;
		connection->state = L7_IDLE;
	}
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
		l7_tell(L7_UNKNOWN, &pair, generation);
	}
	return NULL;
}

/* Judges the request whose first `read` bytes of `bytes` are in `r`; `whole` is how many it has, if it is understood. */
static __always_inline int judge_read(struct reading *r, const struct l7_tuple *tuple, struct l7_connection *connection,
				      __u32 read, __u32 bytes, __u32 *whole)
{
	__u32 generation = current_generation();
	struct l7_target *target;

	if (!read_head(r, read, HEAD_METHOD) || r->head.hosts != 1 || r->head.bytes + r->head.length < bytes)
		return L7_SLOW_STRANGE;
	*whole = r->head.bytes + r->head.length;
	connection->head_request = r->head.method == WORD('H', 'E', 'A', 'D', 0, 0, 0, 0);
	if (*whole != bytes || bytes > request_bytes)
		return L7_SLOW_IN_PIECES;
	if (connection->judged != generation) {
		if (!may_connect(tuple, generation))
			return L7_SLOW_NOT_ALLOWED;
		connection->judged = generation;
	}
	/* Only now: what the agent learns of a pair has it open connections in the client's name. */
	target = target_of(tuple, generation);
	if (!target)
		return L7_SLOW_NO_TARGET;
	connection->allowed = generation;
	return judge_request(target, r);
}

static __always_inline __u32 load_message(struct sk_msg_md *msg, struct reading *r)
{
	__u32 read = msg->size > HEAD_BYTES ? HEAD_BYTES : msg->size;

	if (!read || read > HEAD_BYTES || bpf_msg_pull_data(msg, 0, read, 0) ||
	    (void *)msg->data + read > (void *)msg->data_end || bpf_probe_read_kernel(r->bytes, read, msg->data))
		return 0;
	return read;
}
