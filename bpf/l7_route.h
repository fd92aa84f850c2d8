/* SPDX-License-Identifier: Dual BSD/GPL
 * Which backends a request to a Service may go to, by the tables that the agent has made of its routes (harness/mesh/l7routes.py).
 *
 * A table is a trie of paths. At the most specific one are all matches that a request may meet which reaches it, of all its
 * beginnings too, in the order in which they are asked. The first that is met decides. One that the kernel can ask in part
 * only is there as well: a request that meets that part is the proxy's.
 */
#pragma once

#include "l7.h"

#define ROUTE_CHOICES 32 /* matches that may be asked about a request */
#define ROUTE_SETS 4 /* sets of rules that the backends of one match may have */
#define ROUTE_BACKENDS 32 /* of one match */

/* Key: set is the table, the path has a slash behind it, since prefixes are of whole elements; then a NUL where it is meant as a whole. */
struct l7_path {
	__u32 list; /* of choices */
	__u32 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rule_key);
	__type(value, struct l7_path);
} l7_paths SEC(".maps");

/* A place in a list, of choices or of shares. */
struct l7_place {
	__u32 list;
	__u32 index;
};

/* A match, and what becomes of requests that meet it. */
struct l7_choice {
	__u64 method; /* its bytes; 0: any */
	__u64 headers; /* bits of the headers that have to be there */
	__u32 query; /* there has to be one */
	__u32 slow; /* enum l7_count: why it is the proxy's, L7_FAST where it is not */
	__u32 shares; /* list of backends */
	__u32 count;
	__u32 sets[ROUTE_SETS]; /* of rules: a request must meet one of each, whichever backend it goes to; 0: every request does */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct l7_place);
	__type(value, struct l7_choice);
} l7_choices SEC(".maps");

/* Of equal parts of all requests one: `own` gets it up to `threshold` in 2^32, `other` what is left (Walker's alias method). */
struct l7_share {
	struct address own;
	struct address other;
	__be16 own_port;
	__be16 other_port;
	__u32 threshold;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct l7_place);
	__type(value, struct l7_share);
} l7_shares SEC(".maps");

/* Bits of headers, and of their values. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct header_key);
	__type(value, __u64);
} l7_headers SEC(".maps");

/*
 * Where a judged request may go. For one run of a program, never kept: what is judged and what is sent are then of one request,
 * whatever else its client makes programs read meanwhile.
 */
struct l7_means {
	__u32 table; /* of routes; 0: to where its connection was meant to go */
	__u32 shares;
	__u32 count;
};

__noinline int note_header(__u32 place, __u32 end)
{
	struct reading *r = reading_at(place);
	__u32 bytes, begin;
	__u64 *bits;

	if (!r)
		return 0;
	r->header.table = r->asked;
	r->header.bytes = HEADER_THERE;
	__builtin_memcpy(r->header.name, r->head.name, sizeof(r->header.name));
	__builtin_memset(r->header.value, 0, sizeof(r->header.value));
	bits = bpf_map_lookup_elem(&l7_headers, &r->header);
	if (!bits)
		return 0;
	if (r->told & *bits)
		r->twice = 1;
	r->told |= *bits;
	bytes = r->head.count;
	begin = end - bytes;
	if (!bytes || bytes > VALUE_BYTES || begin >= HEAD_BYTES ||
	    bpf_probe_read_kernel(r->header.value, bytes, r->bytes + begin))
		return 0;
	r->header.bytes = bytes;
	bits = bpf_map_lookup_elem(&l7_headers, &r->header);
	if (bits)
		r->told |= *bits;
	return 0;
}

/* The match that decides about the request in `r`, by a table; NULL with the reason where that is the proxy's to say. */
static __always_inline struct l7_choice *choose(struct reading *r, __u32 table, int *slow)
{
	__u32 bytes = r->head.path_bytes, at = r->head.target;
	struct l7_choice *choice;
	struct l7_place place = {};
	struct l7_path *found;

	*slow = L7_SLOW_ROUTE_LARGE;
	if (bytes == 0 || bytes >= PATH_BYTES - 1 || at >= HEAD_BYTES || bpf_probe_read_kernel(r->key.path, bytes, r->bytes + at))
		return NULL;
	r->key.path[bytes] = '/';
	r->key.path[bytes + 1] = 0;
	r->key.set = table;
	r->key.method = 0;
	r->key.prefix = (sizeof(r->key.set) + sizeof(r->key.method) + bytes + 2) * 8;
	*slow = L7_SLOW_ROUTE_ANSWERED;
	found = bpf_map_lookup_elem(&l7_paths, &r->key);
	if (!found)
		return NULL;
	*slow = L7_SLOW_ROUTE_MATCH;
	if (r->twice) /* its values are one to matches, which is not read here */
		return NULL;
	*slow = L7_SLOW_ROUTE_ANSWERED;
	place.list = found->list;
	for (int i = 0; i < ROUTE_CHOICES; i++) {
		if (i >= found->count)
			return NULL;
		place.index = i;
		choice = bpf_map_lookup_elem(&l7_choices, &place);
		if (!choice) {
			*slow = L7_SLOW_NO_TARGET; /* another table takes its place */
			return NULL;
		}
		if ((choice->method && choice->method != r->head.method) || choice->headers & ~r->told ||
		    (choice->query && !r->head.query))
			continue;
		*slow = choice->slow;
		return choice;
	}
	return NULL;
}

/* Whether a connection of the agent's is free. */
__noinline int has_free(const struct l7_target *target)
{
	if (!target)
		return 0;
	for (int i = 0; i < L7_SLOTS; i++)
		if (target->idle[i])
			return 1;
	return 0;
}

/*
 * Whether every backend that a request may go to has a free connection; those that have none the agent is told of. All are
 * asked before one is drawn: a request whose draw was for one that has none would be drawn for again by the proxy, and
 * backends with few free connections would get less than their shares.
 */
__noinline int all_free(const struct l7_tuple *tuple, __u32 shares, __u32 count, __u32 generation)
{
	struct l7_place place = {.list = shares};
	struct l7_target *target;
	struct l7_share *share;
	struct l7_pair pair = {};
	int free = 1;

	if (!tuple)
		return 0;
	pair_of(tuple, &pair);
	for (int i = 0; i < ROUTE_BACKENDS; i++) {
		if (i >= count)
			break;
		place.index = i;
		share = bpf_map_lookup_elem(&l7_shares, &place);
		if (!share)
			return 0;
		pair.backend = share->own;
		pair.backend_port = share->own_port;
		target = bpf_map_lookup_elem(&l7_targets, &pair);
		if (!target || target->generation != generation) {
			free = 0;
			ask_of(target, &pair, generation);
		} else if (!has_free(target)) {
			free = 0;
			if (!target->wanted) {
				target->wanted = 1;
				l7_tell(L7_WANTED, &pair, generation);
			}
		}
	}
	return free;
}

/* Draws one of the backends that a request may go to; `pair` is the one of its client and that. Why not, if it cannot be. */
static __always_inline __u32 draw(const struct l7_tuple *tuple, const struct l7_means *means, __u32 generation,
				  struct l7_pair *pair)
{
	struct l7_place place = {.list = means->shares};
	struct l7_share *share;
	bool own;

	if (!means->count || means->count > ROUTE_BACKENDS)
		return L7_SLOW_NO_TARGET;
	if (!all_free(tuple, means->shares, means->count, generation))
		return L7_SLOW_NO_UPSTREAM;
	place.index = bpf_get_prandom_u32() % means->count;
	share = bpf_map_lookup_elem(&l7_shares, &place);
	if (!share)
		return L7_SLOW_NO_TARGET;
	own = bpf_get_prandom_u32() < share->threshold;
	pair->backend = own ? share->own : share->other;
	pair->backend_port = own ? share->own_port : share->other_port;
	return L7_FAST;
}
