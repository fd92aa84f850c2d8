/* SPDX-License-Identifier: Dual BSD/GPL
 * HTTP/1.1 message heads, by a grammar stricter than any server's: what it takes, everybody reads alike (RFC 9112).
 *
 * What it does not take is not judged wrong; it is left to the proxy. So whatever is unusual may be refused here:
 * obsolete folding, bare LF, white space before colons. Odd heads are the proxy's too, but everybody agrees where they and
 * their bodies end: bytes above 127, most hop-by-hop headers, escapes in a path, chunks.
 */
#pragma once

#include "net.h"

#define HEAD_BYTES 1024 /* longest head that is read */
#define NAME_WORDS 4 /* longest header name that is known: 32 bytes */
#define METHOD_BYTES 8
#define HEADERS 64 /* proxies and servers refuse heads that have too many: Envoy 100 */

/* Where in a head the next byte stands. */
enum head_state {
	HEAD_METHOD,
	HEAD_TARGET,
	HEAD_VERSION, /* of a request, after the target */
	HEAD_STATUS_VERSION, /* of a response, at its start */
	HEAD_STATUS,
	HEAD_PHRASE,
	HEAD_LINE_FEED,
	HEAD_LINE, /* the start of a header, or the end */
	HEAD_NAME,
	HEAD_BEFORE_VALUE,
	HEAD_VALUE,
	HEAD_LAST_LINE_FEED,
	HEAD_READ, /* the whole of it */
	HEAD_STRANGE, /* not of this grammar */
};

/* Headers that say where a message ends, or that a proxy changes. */
enum known_header {
	HEADER_OTHER,
	HEADER_HOST,
	HEADER_CONTENT_LENGTH,
	HEADER_CONNECTION, /* keep-alive is taken, and nothing else */
	HEADER_CODING, /* Transfer-Encoding: chunked is */
	HEADER_ODD, /* the message is the proxy's to read */
	HEADER_STRANGE, /* ... and may end elsewhere than it says, or what follows be of another protocol */
};

struct head {
	__u64 name[NAME_WORDS]; /* of the header that is being read, in lower case */
	__u64 method; /* its bytes, the first in the lowest */
	__u32 length; /* Content-Length */
	__u32 bytes; /* of the head, once it is read */
	__u32 before; /* bytes of it that were read before those at hand */
	__u32 status;
	__u16 target; /* offset */
	__u16 target_bytes;
	__u16 path_bytes; /* of the target, without its query */
	__u16 count; /* bytes of what is being read */
	__u8 state; /* enum head_state */
	__u8 header; /* enum known_header */
	__u8 hosts;
	__u8 lengths;
	__u8 last; /* the byte before */
	__u8 spaced; /* a value's last byte is white space */
	__u8 query; /* the target's query has begun */
	__u8 headers;
	__u8 odd;
	__u8 chunked;
};

#define PATH_BYTES 232

/* A rule about requests, or what is asked of them. */
struct rule_key {
	__u32 prefix; /* bits of what follows */
	__u32 set;
	__u64 method; /* its bytes; 0: any */
	__u8 path[PATH_BYTES]; /* with a NUL behind it where it is meant as a whole */
};

#define VALUE_BYTES 64 /* longest header value that a route asks for */
#define HEADER_THERE 0xFFFFFFFF /* in place of a value's length: whatever it is */

/* A header that routes of a Service ask for. */
struct header_key {
	__u32 table; /* of routes */
	__u32 bytes; /* of the value */
	__u64 name[NAME_WORDS];
	__u8 value[VALUE_BYTES];
};

/* tchar of RFC 9110, as two words of bits. */
static __always_inline bool is_token(__u8 c)
{
	if (c >= 128)
		return false;
	if (c < 64)
		return 0x03FF6CFA00000000ULL >> c & 1;
	return 0x57FFFFFFC7FFFFFEULL >> (c - 64) & 1;
}

/* Bytes that a path and query may have here: unreserved, sub-delims, and `:@/?` of RFC 3986. No escapes. */
static __always_inline bool is_plain(__u8 c)
{
	if (c >= 128)
		return false;
	if (c < 64)
		return 0xAFFFFFD200000000ULL >> c & 1;
	return 0x47FFFFFE87FFFFFFULL >> (c - 64) & 1;
}

/* Bytes of a host and port, of IPv6 too. */
static __always_inline bool is_host(__u8 c)
{
	if (c >= 128)
		return false;
	if (c < 64)
		return 0x07FF600000000000ULL >> c & 1;
	return 0x07FFFFFEAFFFFFFEULL >> (c - 64) & 1;
}

static __always_inline bool is_digit(__u8 c)
{
	return c >= '0' && c <= '9';
}

#define WORD(a, b, c, d, e, f, g, h)                                                                                   \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 |   \
	 (__u64)(g) << 48 | (__u64)(h) << 56)

/* Those after which another protocol is spoken. */
static __always_inline bool ends_http(__u64 method)
{
	return method == WORD('C', 'O', 'N', 'N', 'E', 'C', 'T', 0) || method == WORD('P', 'R', 'I', 0, 0, 0, 0, 0);
}

/* The methods that everybody reads alike. */
static __always_inline bool is_method(__u64 method)
{
	return method == WORD('G', 'E', 'T', 0, 0, 0, 0, 0) || method == WORD('H', 'E', 'A', 'D', 0, 0, 0, 0) ||
	       method == WORD('P', 'O', 'S', 'T', 0, 0, 0, 0) || method == WORD('P', 'U', 'T', 0, 0, 0, 0, 0) ||
	       method == WORD('D', 'E', 'L', 'E', 'T', 'E', 0, 0) || method == WORD('P', 'A', 'T', 'C', 'H', 0, 0, 0) ||
	       method == WORD('O', 'P', 'T', 'I', 'O', 'N', 'S', 0);
}

static __always_inline __u8 classify(const struct head *h)
{
	__u64 a = h->name[0], b = h->name[1], c = h->name[2];

	if (a == WORD('h', 'o', 's', 't', 0, 0, 0, 0))
		return HEADER_HOST;
	if (a == WORD('c', 'o', 'n', 't', 'e', 'n', 't', '-') && b == WORD('l', 'e', 'n', 'g', 't', 'h', 0, 0))
		return HEADER_CONTENT_LENGTH;
	if (a == WORD('c', 'o', 'n', 'n', 'e', 'c', 't', 'i') && b == WORD('o', 'n', 0, 0, 0, 0, 0, 0))
		return HEADER_CONNECTION;
	if (a == WORD('t', 'r', 'a', 'n', 's', 'f', 'e', 'r') && b == WORD('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n') && c == 'g')
		return HEADER_CODING;
	if (a == WORD('u', 'p', 'g', 'r', 'a', 'd', 'e', 0) || a == WORD('e', 'x', 'p', 'e', 'c', 't', 0, 0))
		return HEADER_STRANGE;
	if ((a == WORD('k', 'e', 'e', 'p', '-', 'a', 'l', 'i') && b == WORD('v', 'e', 0, 0, 0, 0, 0, 0)) ||
	    (a == WORD('p', 'r', 'o', 'x', 'y', '-', 'c', 'o') && b == WORD('n', 'n', 'e', 'c', 't', 'i', 'o', 'n')) ||
	    a == WORD('t', 'e', 0, 0, 0, 0, 0, 0) || a == WORD('t', 'r', 'a', 'i', 'l', 'e', 'r', 0) ||
	    a == WORD('x', '-', 'e', 'n', 'v', 'o', 'y', '-') || a == WORD('x', '-', 'n', 'o', 'd', 'e', '-', 'p') ||
	    (a == WORD('x', '-', 'f', 'o', 'r', 'w', 'a', 'r') && b == WORD('d', 'e', 'd', '-', 'p', 'r', 'o', 't')) ||
	    (a == WORD('h', 't', 't', 'p', '2', '-', 's', 'e') && b == WORD('t', 't', 'i', 'n', 'g', 's', 0, 0)))
		return HEADER_ODD;
	return HEADER_OTHER;
}

/* The bytes of "HTTP/1.1" in turn. */
static __always_inline bool is_version(__u32 index, __u8 c)
{
	return index < 8 && (__u8)(WORD('H', 'T', 'T', 'P', '/', '1', '.', '1') >> (index * 8)) == c;
}

static __always_inline bool is_keep_alive(__u32 index, __u8 c)
{
	if (index < 8)
		return (__u8)(WORD('k', 'e', 'e', 'p', '-', 'a', 'l', 'i') >> (index * 8)) == (c | 0x20);
	return index == 8 ? (c | 0x20) == 'v' : index == 9 && (c | 0x20) == 'e';
}

static __always_inline bool is_chunked(__u32 index, __u8 c)
{
	return index < 7 && (__u8)(WORD('c', 'h', 'u', 'n', 'k', 'e', 'd', 0) >> (index * 8)) == (c | 0x20);
}

/* A path in its normal form has no empty, `.` or `..` elements: after a slash comes neither a slash nor a dot. */
static __always_inline bool is_normal(const struct head *h, __u8 c)
{
	return h->query || h->last != '/' || (c != '/' && c != '.');
}

static __always_inline __u8 end_of_value(struct head *h)
{
	if (h->spaced) {
		if (h->header != HEADER_OTHER && h->header != HEADER_ODD)
			return HEAD_STRANGE;
		h->odd = 1;
	}
	if (h->header == HEADER_HOST && !h->count)
		return HEAD_STRANGE;
	if (h->header == HEADER_CONTENT_LENGTH && !h->count)
		return HEAD_STRANGE;
	if (h->header == HEADER_CONNECTION && h->count != 10)
		return HEAD_STRANGE;
	if (h->header == HEADER_CODING && h->count != 7)
		return HEAD_STRANGE;
	return HEAD_LINE_FEED;
}

static __always_inline __u8 value_byte(struct head *h, __u8 c)
{
	if (c == '\r')
		return end_of_value(h);
	if ((c < ' ' && c != '\t') || c == 127)
		return HEAD_STRANGE;
	if (c == '\t' || c > '~')
		h->odd = 1;
	if (h->header == HEADER_CONTENT_LENGTH) {
		if (!is_digit(c) || h->count >= 9)
			return HEAD_STRANGE;
		h->length = h->length * 10 + (c - '0');
	}
	if (h->header == HEADER_HOST && !is_host(c))
		h->odd = 1;
	if (h->header == HEADER_CONNECTION && !is_keep_alive(h->count, c))
		return HEAD_STRANGE;
	if (h->header == HEADER_CODING && !is_chunked(h->count, c))
		return HEAD_STRANGE;
	h->count += 1;
	h->spaced = c == ' ' || c == '\t';
	return HEAD_VALUE;
}

static __always_inline __u8 name_byte(struct head *h, __u8 c)
{
	__u32 at = h->count;

	if (c == ':') {
		h->header = classify(h);
		h->count = 0;
		h->spaced = 0;
		if (h->header == HEADER_STRANGE || (h->header == HEADER_CODING && h->chunked++))
			return HEAD_STRANGE;
		if (h->header == HEADER_ODD || h->header == HEADER_CODING)
			h->odd = 1;
		if (h->header == HEADER_HOST && h->hosts++)
			return HEAD_STRANGE;
		if (h->header == HEADER_CONTENT_LENGTH && h->lengths++)
			return HEAD_STRANGE;
		return HEAD_BEFORE_VALUE;
	}
	if (!is_token(c))
		return HEAD_STRANGE;
	if (c >= 'A' && c <= 'Z')
		c |= 0x20;
	/* Names that go on after the known ones' length have a last word that no known one has. */
	if (at < 8 * NAME_WORDS)
		h->name[at / 8 & (NAME_WORDS - 1)] |= (__u64)c << at % 8 * 8;
	h->count = at + 1;
	return HEAD_NAME;
}

static __always_inline __u8 next_state(struct head *h, __u32 index, __u8 c)
{
	switch (h->state) {
	case HEAD_METHOD:
		if (c == ' ' && h->count && !ends_http(h->method)) {
			h->odd = !is_method(h->method);
			h->count = 0;
			h->target = index + 1;
			return HEAD_TARGET;
		}
		if (c < 'A' || c > 'Z' || h->count >= METHOD_BYTES)
			return HEAD_STRANGE;
		h->method |= (__u64)c << h->count % 8 * 8;
		h->count += 1;
		return HEAD_METHOD;
	case HEAD_TARGET:
		if (c == ' ' && h->count) {
			h->target_bytes = h->count;
			if (!h->query)
				h->path_bytes = h->count;
			h->count = 0;
			return HEAD_VERSION;
		}
		if (c <= ' ' || c >= 127)
			return HEAD_STRANGE;
		if (!h->count ? c != '/' : !is_plain(c) || !is_normal(h, c))
			h->odd = 1;
		if (c == '?' && !h->query) {
			h->query = 1;
			h->path_bytes = h->count;
		}
		h->count += 1;
		return HEAD_TARGET;
	case HEAD_VERSION:
		if (c == '\r' && h->count == 8)
			return HEAD_LINE_FEED;
		return is_version(h->count++, c) ? HEAD_VERSION : HEAD_STRANGE;
	case HEAD_STATUS_VERSION:
		if (c == ' ' && h->count == 8) {
			h->count = 0;
			return HEAD_STATUS;
		}
		return is_version(h->count++, c) ? HEAD_STATUS_VERSION : HEAD_STRANGE;
	case HEAD_STATUS:
		if (h->count == 3)
			return c == ' ' ? HEAD_PHRASE : c == '\r' ? HEAD_LINE_FEED : HEAD_STRANGE;
		if (!is_digit(c))
			return HEAD_STRANGE;
		h->status = h->status * 10 + (c - '0');
		h->count += 1;
		return HEAD_STATUS;
	case HEAD_PHRASE:
		if (c == '\r')
			return HEAD_LINE_FEED;
		return c < ' ' || c > '~' ? HEAD_STRANGE : HEAD_PHRASE;
	case HEAD_LINE_FEED:
		return c == '\n' ? HEAD_LINE : HEAD_STRANGE;
	case HEAD_LINE:
		if (c == '\r')
			return HEAD_LAST_LINE_FEED;
		if (h->headers++ >= HEADERS)
			h->odd = 1;
		h->name[0] = h->name[1] = h->name[2] = h->name[3] = 0;
		h->count = 0;
		return name_byte(h, c) == HEAD_NAME ? HEAD_NAME : HEAD_STRANGE;
	case HEAD_NAME:
		return name_byte(h, c);
	case HEAD_BEFORE_VALUE:
		if (c == ' ')
			return HEAD_BEFORE_VALUE;
		return value_byte(h, c);
	case HEAD_VALUE:
		return value_byte(h, c);
	case HEAD_LAST_LINE_FEED:
		if (c != '\n')
			return HEAD_STRANGE;
		h->bytes = index + 1;
		return HEAD_READ;
	}
	return HEAD_STRANGE;
}

/* Whether everybody agrees on where a message ends whose head has been read. */
static __always_inline bool is_framed(const struct head *h)
{
	return !h->chunked || !h->lengths;
}
