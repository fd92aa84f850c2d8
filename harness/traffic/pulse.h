/*
 * A clock that stands still where the machine does.
 *
 * Silence is only an answer if whoever should have spoken had the time to. Therefore silence is not measured by the wall
 * clock: each CPU has a thread of its own that sleeps a beat at a time. A CPU that is stalled, or too crowded to run that
 * thread, gets round to a server's process no sooner, and its beats come late or not at all. A silence lasts as long as
 * the CPU with the fewest beats says.
 */
#ifndef PULSE_H
#define PULSE_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define BEAT_NS 10000000L

static struct {
	unsigned cpus;
	atomic_uint beats[CPU_SETSIZE];
	unsigned marked[CPU_SETSIZE];
} pulse;

static void *pulse_beat(void *argument)
{
	const struct timespec beat = {.tv_nsec = BEAT_NS};
	uintptr_t cpu = (uintptr_t)argument;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	/* A CPU that this process may not use is watched from the others. */
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
	for (;;) {
		nanosleep(&beat, NULL);
		atomic_fetch_add(&pulse.beats[cpu], 1);
	}
	return NULL;
}

/* False where the threads cannot be had. */
static bool pulse_start(void)
{
	pthread_t thread;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	pulse.cpus = online < 1 ? 1 : online > CPU_SETSIZE ? CPU_SETSIZE : online;
	for (uintptr_t cpu = 0; cpu < pulse.cpus; cpu++)
		if (pthread_create(&thread, NULL, pulse_beat, (void *)cpu))
			return false;
	return true;
}

/* Silence begins now. */
static void pulse_mark(void)
{
	for (unsigned cpu = 0; cpu < pulse.cpus; cpu++)
		pulse.marked[cpu] = atomic_load(&pulse.beats[cpu]);
}

/* Whether every CPU has had `beats` whole beats since the mark. */
static bool pulse_passed(unsigned beats)
{
	for (unsigned cpu = 0; cpu < pulse.cpus; cpu++)
		if (atomic_load(&pulse.beats[cpu]) - pulse.marked[cpu] <= beats)
			return false;
	return true;
}

#endif
