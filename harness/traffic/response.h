/* Reading HTTP/1.x answers as they come in, in pieces of any size. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_LIMIT 16384

/* What is known after some bytes. TRANSFER_CODED answers have no length that is known in advance; they are not read. */
enum progress { PARTIAL, WHOLE, NONSENSE, TRANSFER_CODED };

struct response {
	uint16_t status;
	bool head_complete;
	bool until_close;	/* its end is the end of the connection */
	bool close_after;	/* the server will close the connection */
	bool to_head;	/* set by who asks: the request is HEAD, whose answer has no body whatever it says */
	uint64_t body_left;
	size_t head_used;
	char head[HEAD_LIMIT];
};

static inline void response_reset(struct response *r)
{
	r->status = 0;
	r->head_used = 0;
	r->head_complete = r->until_close = r->close_after = false;
}

/* The value of the header line that begins at `at`, or NULL where it is not `name`. */
static inline const char *header_value(const char *at, const char *end, const char *name)
{
	size_t size = strlen(name);

	if ((size_t)(end - at) <= size || strncasecmp(at, name, size) || at[size] != ':')
		return NULL;
	for (at += size + 1; *at == ' ' || *at == '\t';)
		at++;
	return at;
}

/* Read the head [head, end), whose last line is empty, so that no parser below runs past it. */
static inline enum progress response_head(struct response *r, const char *end)
{
	const char *at = r->head, *value;
	int status;

	/* 1xx is an answer only to Expect and Upgrade, which nobody here sends. */
	if (strncmp(at, "HTTP/1.", 7) || at[8] != ' ' || (status = atoi(at + 9)) < 200 || status > 599)
		return NONSENSE;
	r->status = status;
	r->head_complete = true;
	r->until_close = status != 204 && status != 304 && !r->to_head;
	r->body_left = 0;
	while ((at = memchr(at, '\n', end - at)) && ++at < end) {
		if (header_value(at, end, "transfer-encoding"))
			return TRANSFER_CODED;
		if (!r->to_head && (value = header_value(at, end, "content-length"))) {
			r->body_left = strtoull(value, NULL, 10);
			r->until_close = false;
		} else if ((value = header_value(at, end, "connection"))) {
			r->close_after = !strncasecmp(value, "close", 5);
		}
	}
	return PARTIAL;
}

/* Take the next `size` bytes. More bytes than the answer has are nonsense: nothing here is pipelined. */
static inline enum progress response_take(struct response *r, const char *data, size_t size)
{
	if (!r->head_complete) {
		size_t before = r->head_used, room = HEAD_LIMIT - before;
		size_t taken = size < room ? size : room;
		enum progress head;
		const char *end;

		memcpy(r->head + before, data, taken);
		r->head_used += taken;
		end = memmem(r->head, r->head_used, "\r\n\r\n", 4);
		if (!end)
			return r->head_used < HEAD_LIMIT ? PARTIAL : NONSENSE;
		head = response_head(r, end + 4);
		if (head != PARTIAL)
			return head;
		size -= end + 4 - r->head - before;
	}
	if (r->until_close)
		return PARTIAL;
	if (size > r->body_left)
		return NONSENSE;
	r->body_left -= size;
	return r->body_left ? PARTIAL : WHOLE;
}

/* The server closed the connection: the end of some answers, the loss of others. */
static inline enum progress response_closed(const struct response *r)
{
	return r->head_complete && r->until_close ? WHOLE : NONSENSE;
}

#endif
