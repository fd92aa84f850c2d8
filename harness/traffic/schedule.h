/* What is to be sent when, and what became of it. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "option.h"

#include <math.h>

#define CLOSED_LOOP_CEILING 250000.0	/* requests a second that a closed loop has records for */

#define NEVER UINT64_MAX

/* Why `done` is 0. */
enum failure { NONE, CONNECT_FAILED, BROKEN, UNANSWERED, MALFORMED, WOULD_BLOCK };

/*
 * Times in ns of CLOCK_MONOTONIC. `sent` is read just before send(2), or before connect(2) where each request has a
 * connection of its own; `done` just after the recv(2) that completed the answer. `lag` is how late the generator itself
 * was: from the intended time, or from when the connection became free if that was later, to `sent`. `form` is the number of the
 * form of request that was sent.
 */
struct record {
	uint64_t intended, sent, done, lag;
	uint16_t status, failure;
	uint32_t form;
};

static struct record *records;
static size_t total;	/* 0 until the start */
static uint64_t begin_at, end_at;

/* splitmix64: a whole schedule follows from its seed. */
static double uniform_of(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return ((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double uniform(void)
{
	return uniform_of(&option.seed);
}

/* Fill `intended` with offsets from the start, where `fill`; returns how many requests there are in `length` ns. */
static size_t schedule(uint64_t length, bool fill)
{
	double at = option.poisson ? -log1p(-uniform()) / option.rate : 0;
	size_t count = 0;

	while ((uint64_t)(at * 1e9) < length) {
		if (fill)
			records[count].intended = at * 1e9;
		count++;
		at = option.poisson ? at - log1p(-uniform()) / option.rate : count / option.rate;
	}
	return count;
}

/* The plan, with offsets for times; returns how many requests it has. */
static size_t prepare_records(void)
{
	double seconds = option.warmup + option.seconds;
	uint64_t length = llround(seconds * 1e9), seed = option.seed;
	size_t planned = option.rate > 0 ? schedule(length, false) : seconds * CLOSED_LOOP_CEILING;
	records = calloc(planned + 1, sizeof(*records));
	if (!records)
		die(FAILED, "no memory for %zu requests", planned);
	option.seed = seed;
	if (option.rate > 0)
		schedule(length, true);
	return planned;
}

#endif
