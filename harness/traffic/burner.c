/*
 * burner: uses a stated part of one processor while it is told to, no more and no less.
 *
 *     burner SHARE
 *
 * SIGUSR1 turns it on and SIGUSR2 off; it begins turned off. All that it uses from one turning off to the next is counted, what
 * waking up takes too, by the clock that it is billed by. What a period allows is used from its middle on, so that after each
 * whole period exactly SHARE of the time has been used, and whoever looks a little late finds no part of the next one's. A line
 * `ready` on standard output says that it listens; it runs until it is killed.
 * Exit status 2 for wrong use.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#define SECOND 1000000000ULL
#define PERIOD 5000000ULL	/* ns; the slices in which it is turned on are whole numbers of it */

static volatile sig_atomic_t turns;	/* odd while it is on */

static void turn(int number)
{
	if ((number == SIGUSR1) != turns % 2)
		turns++;
}

static uint64_t ns_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

/* Until it is turned off. `used` is what the process had used when it was last. */
static void burn(double share, uint64_t used)
{
	uint64_t wake = ns_of(CLOCK_MONOTONIC) + PERIOD / 2;
	double allowed = 0;

	for (sig_atomic_t mine = turns; turns == mine; wake += PERIOD) {
		struct timespec at = {wake / SECOND, wake % SECOND};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		allowed += share * PERIOD;
		while (turns == mine && ns_of(CLOCK_PROCESS_CPUTIME_ID) - used < allowed)
			;
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = turn};
	double share = argc == 2 ? atof(argv[1]) : 0;
	sigset_t both, before;
	uint64_t used;

	if (!(share > 0 && share <= 1)) {
		fputs("usage: burner SHARE (above 0, at most 1)\n", stderr);
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigprocmask(SIG_BLOCK, &both, &before);	/* between the look and the wait none gets lost */
	puts("ready");
	fflush(stdout);
	for (;;) {
		used = ns_of(CLOCK_PROCESS_CPUTIME_ID);
		while (!(turns % 2))
			sigsuspend(&before);
		sigprocmask(SIG_SETMASK, &before, NULL);
		burn(share, used);
		sigprocmask(SIG_BLOCK, &both, NULL);
	}
}
