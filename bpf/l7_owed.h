/* SPDX-License-Identifier: Dual BSD/GPL
 * What a node holds of answers that went past the proxy and that clients have not read: there is a bound for all together.
 *
 * An answer is owed from when it is judged until its client is known to have read it: when that asks on, or when it is gone.
 * Nothing tells of clients that read and then say nothing; so the agent has all be looked through (l7_settle) where answers
 * are its to relay.
 */
#pragma once

#include "l7.h"

/* Longer answers together; beyond it the agent relays them, as far as sockets take them. */
const volatile __u64 owed_bytes = 256 << 20;

/* Shorter answers are not counted: as many of them as there may be connections are as much. */
#define OWED_FREE 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} l7_owed SEC(".maps");

static __always_inline __u64 *all_owed(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&l7_owed, &first);
}

/* None of what `owed` counts is held any more. */
static __always_inline void forgive(__u32 *owed)
{
	__u64 *all = all_owed();
	__u32 bytes = *owed ? __sync_lock_test_and_set(owed, 0) : 0;

	if (bytes && all)
		__sync_fetch_and_sub(all, bytes);
}

/* The client has `seen` so much of what the proxy's socket sent: whether that ends its request. */
static __always_inline void settle_answered(struct l7_connection *connection, __u32 seen)
{
	if (connection->framed && !connection->rest &&
	    (connection->state == L7_PROXIED || connection->state == L7_FORWARDED) &&
	    !before(seen, connection->answered)) {
		forgive(&connection->owed);
		connection->framed = 0;
		connection->state = L7_IDLE;
	}
}

/* An answer of `total` bytes is to come, for the client's own socket or by the proxy's; whether there is room for it. */
static __noinline int owe(const struct l7_upstream *upstream)
{
	struct l7_connection *connection;
	struct l7_tuple tuple;
	__u64 *all = all_owed();
	__u32 total;

	if (!upstream || !all)
		return 0;
	total = upstream->total;
	tuple = upstream->client;
	connection = total > OWED_FREE ? bpf_map_lookup_elem(&l7_connections, &tuple) : NULL;
	if (!connection)
		return 1; /* it is short, or its client is gone */
	if (__sync_fetch_and_add(all, total) + total > owed_bytes) {
		__sync_fetch_and_sub(all, total);
		return 0;
	}
	__sync_fetch_and_add(upstream->to_client ? &connection->owed_direct : &connection->owed, total);
	return 1;
}
