/* What a request of HTTP/1.x says of how it is to be answered, in headers of the lab's own. */
#ifndef TOLD_H
#define TOLD_H

#include "request.h"

#include <stdint.h>

#define REMEMBERED 256	/* nonces of which it is known how often they came */
#define TOLD_LIMIT 4096	/* bytes of the headers that a request wants */

static struct {
	uint64_t nonce;
	unsigned came;
} remembered[REMEMBERED];
static unsigned next_remembered;

static uint64_t nonce_of(const char *head, const char *end)
{
	const char *says = header(head, end, "probe");

	return says ? strtoull(says, NULL, 16) : 0;
}

/* How often a request of this nonce has come, this time among them; as if the first time where many others came since. */
static unsigned times_come(uint64_t nonce)
{
	for (unsigned i = 0; i < REMEMBERED; i++)
		if (remembered[i].nonce == nonce)
			return ++remembered[i].came;
	remembered[next_remembered].nonce = nonce;
	remembered[next_remembered].came = 1;
	next_remembered = (next_remembered + 1) % REMEMBERED;
	return 1;
}

/* Whether what the request says of its status and delay still holds for the server `name`. Asked once for each that comes. */
static bool holds(const char *head, const char *end, const char *name)
{
	const char *first = header(head, end, "probe-first"), *only = header(head, end, "probe-only");

	if (only && (strcspn(only, " \r\n") != strlen(name) || strncmp(only, name, strlen(name))))
		return false;
	return !first || times_come(nonce_of(head, end)) <= strtoul(first, NULL, 10);
}

static uint64_t delay_of(const char *head, const char *end)
{
	const char *says = header(head, end, "probe-delay");

	return says ? strtoul(says, NULL, 10) * 1000000ull : 0;
}

/* Write the headers that a request wants into `lines`, TOLD_LIMIT bytes at most, each with its line end. */
static void told_headers(const char *head, const char *end, char *lines)
{
	const char *at = header(head, end, "probe-headers"), *line_end = at ? memchr(at, '\r', end - at) : NULL;
	size_t used = 0;

	while (line_end && at < line_end && used + (line_end - at) + 3 < TOLD_LIMIT) {
		const char *bar = memchr(at, '|', line_end - at), *stop = bar ? bar : line_end;

		memcpy(lines + used, at, stop - at);
		used += stop - at;
		memcpy(lines + used, "\r\n", 2);
		used += 2;
		at = stop + 1;
	}
	lines[used] = 0;
}

/* The status that the request wants, up to its line's end, in `said`; NULL where it wants none. */
static const char *told_status(const char *head, const char *end, char *said, size_t room)
{
	const char *told = header(head, end, "probe-status");

	if (!told)
		return NULL;
	snprintf(said, room, "%.*s", (int)strcspn(told, "\r\n"), told);
	return said;
}

#endif
