/* SPDX-License-Identifier: Dual BSD/GPL
 * Where bodies end that come in chunks (RFC 9112, section 7.1): the sizes are read, wherever in the stream they stand, and
 * however it is cut.
 *
 * Extensions and trailers are not read; then nobody here knows the end.
 */
#pragma once

#include "l7.h"

#define SIZE_DIGITS 7
#define SIZE_BYTES 12 /* of a size and its line's end, rounded up */
#define CHUNKS 512 /* in one piece of the stream, at most */

/* A piece of a stream in which chunks begin. */
struct chunks {
	void *context;
	struct chunk_size *size; /* the next one, as far as it has been read */
	__u32 payload; /* where in it the piece begins */
	__u32 next; /* where in the piece what follows of that size stands, or the message has ended */
	__u32 bytes; /* of the piece */
	__u8 over; /* the last chunk has been read */
	__u8 odd; /* a size is not where it should be */
};

static __always_inline __u32 hexadecimal(__u8 c)
{
	return is_digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : 16;
}

/* Where in a size the byte after `c` stands. */
static __always_inline __u8 next_of_size(struct chunk_size *size, __u8 c)
{
	__u32 digit;

	switch (size->state) {
	case SIZE_DIGIT:
		digit = hexadecimal(c);
		if (c == '\r' && size->digits)
			return size->value ? SIZE_LINE_FEED : size->digits == 1 ? SIZE_LAST_LINE_FEED : SIZE_ODD;
		if (digit > 15 || size->digits >= SIZE_DIGITS)
			return SIZE_ODD;
		size->value = size->value << 4 | digit;
		size->digits += 1;
		return SIZE_DIGIT;
	case SIZE_LINE_FEED:
		return c == '\n' ? SIZE_READ : SIZE_ODD;
	case SIZE_LAST_LINE_FEED:
		return c == '\n' ? SIZE_NO_TRAILER : SIZE_ODD;
	case SIZE_NO_TRAILER:
		return c == '\r' ? SIZE_END_LINE_FEED : SIZE_ODD;
	case SIZE_END_LINE_FEED:
		return c == '\n' ? SIZE_OVER : SIZE_ODD;
	}
	return SIZE_ODD;
}

/* Reads on in a size of which the next `have` bytes are in `line`, and goes on to the next; whether there is none to be read any more. */
static __always_inline long next_chunk(struct chunks *at, const __u8 line[SIZE_BYTES], __u32 have)
{
	struct chunk_size size = *at->size;
	__u32 read = 0;

	while (read < have && read < SIZE_BYTES && size.state < SIZE_READ)
		size.state = next_of_size(&size, line[read++]);
	at->next += read;
	at->odd = size.state == SIZE_ODD;
	at->over = size.state == SIZE_OVER;
	if (size.state == SIZE_READ)
		at->next += size.value + 2;
	if (size.state >= SIZE_READ)
		__builtin_memset(&size, 0, sizeof(size));
	*at->size = size;
	return at->odd || at->over;
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

	if (!load_packet(at->context, at->payload + at->next, line, have, SIZE_BYTES))
		return 1;
	return next_chunk(at, line, have);
}

static long chunk_of_message(__u32 index, struct chunks *at)
{
	__u8 line[SIZE_BYTES] = {};
	__u32 have = size_bytes(at);

	if (!load_message(at->context, at->next, line, have, SIZE_BYTES))
		return 1;
	return next_chunk(at, line, have);
}

/* Whether the piece has been read as far as it goes. */
static __always_inline bool followed(const struct chunks *at)
{
	return !at->odd && (at->over ? at->next == at->bytes : at->next >= at->bytes);
}
