/* SPDX-License-Identifier: Dual BSD/GPL
 * Room to read heads of HTTP messages in, and the loop that reads them, byte by byte, by the grammar of http.h.
 */
#pragma once

#include "http.h"

/* A head that is being read, and its bytes. Programs interrupt each other, so there is one for each depth. */
struct reading {
	struct head head;
	struct rule_key key; /* what rules are asked about it */
	struct header_key header; /* what routes are asked about one of its headers */
	__u64 told; /* of the headers that routes ask for, the bits of those that are there */
	__u32 asked; /* the table of these routes; 0: none asks for headers */
	__u32 twice; /* one of them comes more than once */
	__u8 bytes[HEAD_BYTES];
};

#define READING_DEPTH 4

struct readings {
	__u32 depth;
	__u32 pad;
	struct reading at[READING_DEPTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct readings);
} readings SEC(".maps");

/* Room to read a head in, until reading_end(); NULL where too many programs have interrupted each other. */
static __always_inline struct reading *reading_begin(void)
{
	__u32 first = 0, depth;
	struct readings *all = bpf_map_lookup_elem(&readings, &first);

	if (!all)
		return NULL;
	depth = all->depth;
	if (depth >= READING_DEPTH)
		return NULL;
	all->depth = depth + 1;
	all->at[depth].asked = all->at[depth].twice = 0;
	all->at[depth].told = 0;
	return &all->at[depth];
}

static __always_inline void reading_end(void)
{
	__u32 first = 0;
	struct readings *all = bpf_map_lookup_elem(&readings, &first);

	if (all)
		all->depth -= 1;
}

/* A header's value ends before the byte at `end` of the head that is being read, for which routes ask (l7_route.h). */
__noinline int note_header(__u32 end);

static long read_byte(__u32 index, struct reading *unused)
{
	__u32 first = 0, depth;
	struct readings *all = bpf_map_lookup_elem(&readings, &first);
	struct reading *r;
	__u8 c;

	if (!all || index >= HEAD_BYTES)
		return 1;
	depth = all->depth - 1;
	if (depth >= READING_DEPTH)
		return 1;
	r = &all->at[depth];
	c = r->bytes[index];
	r->head.state = next_state(&r->head, r->head.before + index, c);
	if (c == '\r' && r->asked && r->head.state == HEAD_LINE_FEED && r->head.headers)
		note_header(index);
	r->head.last = c;
	return r->head.state >= HEAD_READ;
}

/* Goes on reading a head with `r`'s first `size` bytes; whether that was the rest of it. */
static __always_inline bool read_on(struct reading *r, __u32 size)
{
	bpf_loop(size > HEAD_BYTES ? HEAD_BYTES : size, read_byte, NULL, 0);
	if (r->head.state < HEAD_READ)
		r->head.before += size;
	return r->head.state == HEAD_READ;
}

/* Reads the head at the start of `r`'s first `size` bytes, which is a request's or a response's by `state`. */
static __always_inline bool read_head(struct reading *r, __u32 size, __u8 state)
{
	__builtin_memset(&r->head, 0, sizeof(r->head));
	r->head.state = state;
	return read_on(r, size);
}
