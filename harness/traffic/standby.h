/*
 * A second thread that sends what the first one is late for. A host that takes a virtual processor away for a millisecond takes
 * the thread with it; the other processor is seldom taken at the same time.
 */
#ifndef STANDBY_H
#define STANDBY_H

#include "connection.h"

#include <pthread.h>
#include <sched.h>

#define GRACE 2000ULL		/* ns that the first thread may be late before the second sends */
#define EARLY 50000ULL		/* ns before that from when it polls; less than the first thread, as it is seldom needed */
#define NAP (50 * 1000000ULL)	/* ns after which it looks whether all is over */
#define MOST_POLLED 0.25	/* share of its processor that it may poll away: the programs under test run there too */

static atomic_bool ending;
static pthread_t standby;
static bool standing_by;

/* Until `when`, or the end. */
static void sleep_until(uint64_t when)
{
	while (!atomic_load(&ending) && clock_ns() < when) {
		uint64_t until = earlier(when, clock_ns() + NAP);
		struct timespec at = {until / SECOND, until % SECOND};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
}

static void *stand_by(void *unused)
{
	uint64_t wake, left;
	size_t seen;

	while (!atomic_load(&ending)) {
		take_turn();
		seen = next;
		wake = next < total ? records[next].intended + GRACE - EARLY : NEVER;
		give_turn();
		if (wake == NEVER)
			break;
		sleep_until(wake);
		do {
			left = 0;
			if (try_turn()) {
				left = next == seen ? start_due(GRACE) : NEVER;
				give_turn();
			}
		} while (left <= EARLY && !atomic_load(&ending));
		if (wake + 2 * EARLY < clock_ns())	/* no connection was free: the first thread sends when one is */
			sleep_until(clock_ns() + EARLY);
	}
	return unused;
}

/* Where there is no second processor, or it would poll most of the time, the first thread is alone. */
static void begin_standby(void)
{
	cpu_set_t mine;
	sigset_t all, before;

	if (option.rate <= 0 || option.spin <= 0 || option.rate * EARLY / SECOND > MOST_POLLED)
		return;
	if (sched_getaffinity(0, sizeof(mine), &mine) < 0 || CPU_COUNT(&mine) < 2)
		return;
	sigfillset(&all);	/* signals are for the first thread, which they wake */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	standing_by = !pthread_create(&standby, NULL, stand_by, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void end_standby(void)
{
	atomic_store(&ending, true);
	if (standing_by)
		pthread_join(standby, NULL);
}

#endif
