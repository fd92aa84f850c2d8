/*
 * openloop: an open-loop HTTP/1.1 load generator.
 *
 * The schedule is computed before the first request and never shifts: a request that finds no free connection at its
 * intended time waits in line, and its latency still counts from the intended time (no coordinated omission). With
 * --rate 0 it is a closed loop instead: each connection starts its next request as soon as the last one ended. Requests may be of
 * several forms (form.h).
 *
 * One `struct record` a request, warm-up included, goes to --output in order of intent. Standard output gets a line
 * `begin` when the warm-up is over, a line `end` when each measured request was answered or given up, then one line of
 * JSON. Exit status: 0 done, 1 failed, 2 wrong use, 3 server unreachable, 4 interrupted by SIGTERM or SIGINT (what was
 * recorded until then is written).
 */
#define _GNU_SOURCE
#define PROGRAM "openloop"
#include "command.h"
#include "outcome.h"
#include "standby.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#define LEAD (10 * 1000000ULL)		/* ns from the last preparation to the first intended time */
#define TICK_COST 40000ULL		/* ns that the kernel's timer tick may take; 36 were measured in a virtual machine */

static void run(void)
{
	uint64_t spin = option.spin * 1e9, timeout = option.timeout * 1e9;
	bool begun = false;

	while (!interrupted) {
		uint64_t now, deadline;
		bool over;

		start_all_due(0);
		now = clock_ns();
		if (!begun && now >= begin_at) {
			begun = true;
			mark("begin");
		}
		take_turn();
		if (now >= retry_at)
			reopen_closed();
		if (option.rate <= 0 && next == total)
			die(FAILED, "the closed loop made more than %.0f requests a second", CLOSED_LOOP_CEILING);
		over = now >= end_at && !outstanding && (option.rate <= 0 || next == total);
		deadline = now < end_at ? end_at : end_at + timeout;
		deadline = earlier(deadline, retry_at);
		if (!begun)
			deadline = earlier(deadline, begin_at);
		if (next < total && now < end_at && any_free())
			deadline = earlier(deadline, option.rate > 0 ? records[next].intended : now);
		give_turn();
		if (over || now >= end_at + timeout)
			break;
		wait_and_handle(deadline, spin);
	}
}

/*
 * When to start: evenly spaced sends keep clear of the timer tick, which would else make one in so many late by its own
 * length (20,000 sends a second: 250 of them, more than one in a hundred). Ticks come at whole multiples of their period
 * on CLOCK_MONOTONIC since Linux 6.4. So the first send is half an interval after a tick, or TICK_COST if that is longer
 * and there is room. Rates that are no multiple of the tick's, and Poisson arrivals, are not helped by it.
 */
static uint64_t start_time(void)
{
	struct timespec tick;
	double interval = option.rate > 0 ? 1e9 / option.rate : 0, after = earlier(interval * 4 / 5, TICK_COST);
	uint64_t now = clock_ns() + LEAD;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	if (after < interval / 2)
		after = interval / 2;
	return tick.tv_sec || !tick.tv_nsec ? now : now - now % tick.tv_nsec + tick.tv_nsec + (uint64_t)after % tick.tv_nsec;
}

/* Offsets become times. What was planned becomes what may be sent. */
static void start(size_t planned)
{
	uint64_t now = start_time();

	for (size_t i = 0; option.rate > 0 && i < planned; i++)
		records[i].intended += now;
	begin_at = now + option.warmup * 1e9;
	end_at = begin_at + option.seconds * 1e9;
	total = planned;
}

/* What is still open, or was never sent, was not answered. */
static size_t give_up(void)
{
	size_t count = option.rate > 0 && !interrupted ? total : next;

	for (unsigned i = 0; i < option.connections; i++)
		if (pool[i].record)
			pool[i].record->failure = UNANSWERED;
	for (size_t i = next; i < count; i++)
		records[i].failure = UNANSWERED;
	return count;
}

static void interrupt(int signal)
{
	(void)signal;
	interrupted = true;
}

/*
 * An open loop runs before the programs under test whenever it is due, or it would measure their time slices: beside a busy
 * proxy on two cores its p99 lag was 1 to 4 ms under the fair scheduler, some microseconds under SCHED_FIFO. One that
 * would poll most of the time stays fair, at the highest weight: the kernel takes 50 ms of each second away from a
 * real-time task that never sleeps. Without the right to do either, the lag that is logged shows it.
 */
static void take_precedence(void)
{
	struct sched_param lowest = {.sched_priority = 1};

	if (option.rate <= 0)
		return;
	if (option.rate * option.spin < 0.5)
		sched_setscheduler(0, SCHED_FIFO, &lowest);
	else
		setpriority(PRIO_PROCESS, 0, -20);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = interrupt};

	parse_options(argc, argv);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	prctl(PR_SET_TIMERSLACK, 1);
	take_precedence();
	check_reachable();
	open_pool();
	start(prepare_records());
	begin_standby();
	run();
	end_standby();
	mark("end");
	report(give_up(), reconnects);
	return interrupted ? INTERRUPTED : 0;
}
