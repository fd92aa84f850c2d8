/* What the command line asked for, and how to fail. The program says its name as PROGRAM before it includes this. */
#ifndef OPTION_H
#define OPTION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FAILED = 1, USAGE, UNREACHABLE, INTERRUPTED };	/* exit status */

#define SECOND 1000000000ULL

static struct {
	const char *address, *host, *output;
	unsigned port, connections;
	double rate, seconds, warmup, timeout, spin;
	bool poisson, fresh, numbered;
	uint64_t seed;
} option = {.connections = 16, .seconds = 1, .timeout = 5, .poisson = true, .seed = 1};

__attribute__((noreturn, format(printf, 2, 3))) static void die(int status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs(PROGRAM ": ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	exit(status);
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

#endif
