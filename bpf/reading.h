/* SPDX-License-Identifier: Dual BSD/GPL
 * Room to read heads of HTTP messages in, and the loop that reads them, byte by byte, by the grammar of http.h.
 */
#pragma once

#include "http.h"

/* A head that is being read, and its bytes. */
struct reading {
	__u32 place; /* in `readings` */
	struct head head;
	struct rule_key key; /* what rules are asked about it */
	struct header_key header; /* what routes are asked about one of its headers */
	__u64 told; /* of the headers that routes ask for, the bits of those that are there */
	__u32 asked; /* the table of these routes; 0: none asks for headers */
	__u32 twice; /* one of them comes more than once */
	__u8 bytes[HEAD_BYTES] __attribute__((aligned(8)));
};

/*
 * Programs interrupt each other on a processor, and those that sockets run are preempted there too where the kernel's tasks
 * are (preempt=full, lazy): whoever begins takes a place that is free, and gives back that one.
 */
#define READINGS 8

struct readings {
	__u32 taken[READINGS];
	struct reading at[READINGS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct readings);
} readings SEC(".maps");

/* Room to read a head in, until reading_end(); NULL where too many programs have interrupted each other. */
static __noinline struct reading *reading_begin(void)
{
	__u32 first = 0;
	struct readings *all = bpf_map_lookup_elem(&readings, &first);

	for (__u32 i = 0; all && i < READINGS; i++) {
		struct reading *r = &all->at[i];

		if (__sync_val_compare_and_swap(&all->taken[i], 0, 1))
			continue;
		r->place = i;
		r->asked = r->twice = 0;
		r->told = 0;
		return r;
	}
	return NULL;
}

/* The one at a place. A function of its own asks by place: by address Linux 6.1 takes none for a key of a map. */
static __always_inline struct reading *reading_at(__u32 place)
{
	__u32 first = 0;
	struct readings *all = bpf_map_lookup_elem(&readings, &first);

	return all && place < READINGS ? &all->at[place] : NULL;
}

static __always_inline void reading_end(struct reading *r)
{
	__u32 first = 0;
	struct readings *all = bpf_map_lookup_elem(&readings, &first);

	if (all && r->place < READINGS)
		all->taken[r->place] = 0;
}

/* A header's value ends before the byte at `end` of the head that is being read, for which routes ask (l7_route.h). */
__noinline int note_header(__u32 place, __u32 end);

/* Bytes that are read in turn: so many in a place of `readings`. */
struct reading_bytes {
	__u32 place;
	__u32 size;
};

/* Bytes that one turn of the loop reads: a turn costs as much as several bytes. */
#define READING_STRIDE 32

static long read_bytes(__u32 index, struct reading_bytes *at)
{
	struct reading *r = reading_at(at->place);

	if (!r)
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < READING_STRIDE; i++) {
		__u32 read = index * READING_STRIDE + i;
		__u8 c;

		barrier_var(r); /* else addresses of its fields, kept for all turns, fill the stack */
		barrier_var(read); /* else what is compared is not what is added */
		if (read >= at->size || read >= HEAD_BYTES)
			return 1;
		c = r->bytes[read];
		r->head.state = next_state(&r->head, r->head.before + read, c);
		if (c == '\r' && r->asked && r->head.state == HEAD_LINE_FEED && r->head.headers)
			note_header(at->place, read);
		r->head.last = c;
		if (r->head.state >= HEAD_READ)
			return 1;
	}
	return 0;
}

/* Goes on reading a head in a place, with its first `size` bytes. Global, so that the verifier goes through it once. */
__noinline int read_place(__u32 place, __u32 size)
{
	struct reading_bytes at = {.place = place, .size = size};

	bpf_loop(HEAD_BYTES / READING_STRIDE, read_bytes, &at, 0);
	return 0;
}

/* Goes on reading a head with `r`'s first `size` bytes; whether that was the rest of it. */
static __always_inline bool read_on(struct reading *r, __u32 size)
{
	read_place(r->place, size);
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
