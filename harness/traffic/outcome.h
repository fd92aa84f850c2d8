/* What a load leaves: markers while it runs, its records, and a line of JSON. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "schedule.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void mark(const char *what)
{
	puts(what);
	fflush(stdout);
}

static void write_records(size_t count)
{
	int fd = open(option.output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const char *at = (const char *)records, *end = (const char *)(records + count);

	if (fd < 0)
		die(FAILED, "%s: %s", option.output, strerror(errno));
	while (at < end) {
		ssize_t written = write(fd, at, end - at);

		if (written < 0)
			die(FAILED, "%s: %s", option.output, strerror(errno));
		at += written;
	}
	close(fd);
}

/* Of `count` records; those of the measured part begin where the first was meant to be sent in it. */
static void report(size_t count, unsigned long reconnects)
{
	size_t first = 0, failed = 0;

	while (first < count && records[first].intended < begin_at)
		first++;
	for (size_t i = first; i < count; i++)
		failed += records[i].failure != NONE;
	if (option.output)
		write_records(count);
	printf("{\"records\": %zu, \"first\": %zu, \"failed\": %zu, \"reconnects\": %lu, \"begin\": %llu, \"end\": %llu}\n", count,
	       first, failed, reconnects, (unsigned long long)begin_at, (unsigned long long)end_at);
}

#endif
