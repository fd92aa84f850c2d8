/* Reading HTTP/1.x requests that have come whole: their headers, and where their bodies end. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REQUEST_LIMIT 65536

/* The value of a header, whose name a proxy may have written in lower case; NULL without it. The head ends in an empty line. */
static const char *header(const char *head, const char *end, const char *name)
{
	size_t size = strlen(name);

	for (const char *line = head; (line = memchr(line, '\n', end - line)) && ++line < end;)
		if ((size_t)(end - line) > size && !strncasecmp(line, name, size) && line[size] == ':')
			return line + size + 1 + strspn(line + size + 1, " \t");
	return NULL;
}

static inline bool says_close(const char *head, const char *end)
{
	const char *value = header(head, end, "connection");

	return value && !strncasecmp(value, "close", strlen("close"));
}

static bool is_chunked(const char *head, const char *end)
{
	const char *value = header(head, end, "transfer-encoding");

	return value && !strncasecmp(value, "chunked\r", strlen("chunked\r"));
}

/* The size of the chunks and trailers in [body, end), 0 where their end has not come; REQUEST_LIMIT for what are none. */
static size_t chunks_size(const char *body, const char *end)
{
	for (const char *at = body, *line;; at = line) {
		unsigned long size;
		char *digits_end;

		line = memmem(at, end - at, "\r\n", 2);
		if (!line)
			return 0;
		size = strtoul(at, &digits_end, 16);
		if (digits_end == at || size >= REQUEST_LIMIT)
			return REQUEST_LIMIT;
		line += 2;
		while (!size) {	/* trailers, up to an empty line */
			const char *trailer = line;

			line = memmem(trailer, end - trailer, "\r\n", 2);
			if (!line)
				return 0;
			line += 2;
			if (line == trailer + 2)
				return line - body;
		}
		if ((size_t)(end - line) < size + 2)
			return 0;
		line += size + 2;
	}
}

/* The length that the head [head, end) tells of its body; REQUEST_LIMIT or more where that is refused. */
static size_t told_size(const char *head, const char *end)
{
	const char *value = header(head, end, "content-length");

	return value ? strtoul(value, NULL, 10) : 0;
}

/* What is wrong with the request [head, end), as a status; 200 if nothing is. */
static const char *status_of(const char *head, const char *end)
{
	size_t method = strcspn(head, " \r\n"), target;

	if (!method || head[method] != ' ')
		return "400 Bad Request";
	target = strcspn(head + method + 1, " \r\n");
	if (!target || head[method + 1 + target] != ' ')
		return "400 Bad Request";
	if (header(head, end, "transfer-encoding"))
		return is_chunked(head, end) ? "200 OK" : "501 Not Implemented";
	return told_size(head, end) < REQUEST_LIMIT ? "200 OK" : "413 Content Too Large";
}

/* The size of the body that follows the head [head, end) in what came, up to `came`; false where more has to come. */
static inline bool body_came(const char *head, const char *end, const char *came, size_t *size)
{
	bool chunked = is_chunked(head, end);

	*size = 0;
	if (*status_of(head, end) != '2')
		return true;	/* it is refused, and nothing behind it is read */
	*size = chunked ? chunks_size(end, came) : told_size(head, end);
	return chunked ? *size > 0 : (size_t)(came - end) >= *size;
}

#endif
