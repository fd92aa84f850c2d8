/* What client and server of the soak agree on: requests by number, of which everything else follows. */
#ifndef SOAK_H
#define SOAK_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_LIMIT 4096
#define BODY_LIMIT (160 << 10)
#define MESSAGE_LIMIT (HEAD_LIMIT + 2 * BODY_LIMIT)
#define EVENTS 64
#define SECOND 1000000000ULL

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("soak: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	exit(1);
}

static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

/* The n-th number of a stream (splitmix64). */
static inline uint64_t drawn(uint64_t stream, uint64_t n)
{
	uint64_t z = stream * 0xd1342543de82ef95ULL + n * 0x9e3779b97f4a7c15ULL + 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* A byte for each request, in a file that outlives the process. */
static inline uint8_t *bytes_of(const char *path, size_t count)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	uint8_t *bytes;

	if (fd < 0 || ftruncate(fd, count))
		die("%s: %s", path, strerror(errno));
	bytes = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		die("%s: %s", path, strerror(errno));
	close(fd);
	return bytes;
}

/* The value of a header in [head, end), which ends in an empty line; NULL without it. */
static inline const char *header(const char *head, const char *end, const char *name)
{
	size_t size = strlen(name);

	for (const char *line = head; (line = memchr(line, '\n', end - line)) && ++line < end;)
		if ((size_t)(end - line) > size && !strncasecmp(line, name, size) && line[size] == ':')
			return line + size + 1 + strspn(line + size + 1, " \t");
	return NULL;
}

#endif
