/* SPDX-License-Identifier: Dual BSD/GPL
 * Where bodies end that come in chunks (RFC 9112, section 7.1): the sizes are read, wherever in the stream they stand.
 *
 * Extensions, trailers and sizes that are cut in two are not read; then nobody here knows the end.
 */
#pragma once

#include "l7.h"

#define SIZE_DIGITS 7
#define SIZE_BYTES 12 /* of a size and its line's end, rounded up */
#define CHUNKS 512 /* in one piece of the stream, at most */

/* A piece of a stream in which chunks begin. */
struct chunks {
	void *context;
	__u32 payload; /* where in it the piece begins */
	__u32 next; /* where in the piece the next size stands, or the message has ended */
	__u32 bytes; /* of the piece */
	__u8 over; /* the last chunk has been read */
	__u8 odd; /* a size is not where it should be */
};

static __always_inline __u32 hexadecimal(__u8 c)
{
	return is_digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : 16;
}

/* Reads the size of which `have` bytes are in `line`, and goes on to the next; whether there is none to be read any more. */
static __always_inline long next_chunk(struct chunks *at, const __u8 line[SIZE_BYTES], __u32 have)
{
	__u32 size = 0;

	if (have >= 5 && line[0] == '0' && line[1] == '\r' && line[2] == '\n' && line[3] == '\r' && line[4] == '\n') {
		at->next += 5;
		at->over = 1;
		return 1;
	}
	for (__u32 i = 0; i <= SIZE_DIGITS && i + 1 < have; i++) {
		__u32 digit = hexadecimal(line[i]);

		if (size && line[i] == '\r' && line[i + 1] == '\n') {
			at->next += i + 2 + size + 2;
			return 0;
		}
		if (digit > 15)
			break;
		size = size << 4 | digit;
	}
	at->odd = 1;
	return 1;
}

static __always_inline __u32 size_bytes(const struct chunks *at)
{
	__u32 left = at->bytes - at->next;

	return at->next >= at->bytes ? 0 : left > SIZE_BYTES ? SIZE_BYTES : left;
}

static long chunk_of_packet(__u32 index, struct chunks *at)
{
	__u8 line[SIZE_BYTES] = {};
	__u32 have = size_bytes(at);

	if (!have || have > SIZE_BYTES || bpf_skb_load_bytes(at->context, at->payload + at->next, line, have))
		return 1;
	return next_chunk(at, line, have);
}

static long chunk_of_message(__u32 index, struct chunks *at)
{
	struct sk_msg_md *msg = at->context;
	__u8 line[SIZE_BYTES] = {};
	__u32 have = size_bytes(at);

	if (!have || have > SIZE_BYTES || bpf_msg_pull_data(msg, at->next, at->next + have, 0) ||
	    (void *)msg->data + have > (void *)msg->data_end || bpf_probe_read_kernel(line, have, msg->data))
		return 1;
	return next_chunk(at, line, have);
}

/* Whether the piece has been read as far as it goes. */
static __always_inline bool followed(const struct chunks *at)
{
	return !at->odd && (at->over ? at->next == at->bytes : at->next >= at->bytes);
}
