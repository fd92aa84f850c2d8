/*
 * openloop: an open-loop HTTP/1.1 load generator.
 *
 * The schedule is computed before the first request and never shifts: a request that finds no free connection at its
 * intended time waits in line, and its latency still counts from the intended time (no coordinated omission). With
 * --rate 0 it is a closed loop instead: each connection starts its next request as soon as the last one ended.
 *
 * One `struct record` a request, warm-up included, goes to --output in order of intent. Standard output gets a line
 * `begin` when the warm-up is over, a line `end` when each measured request was answered or given up, then one line of
 * JSON. Exit status: 0 done, 1 failed, 2 wrong use, 3 server unreachable, 4 interrupted by SIGTERM or SIGINT (what was
 * recorded until then is written).
 */
#define _GNU_SOURCE
#include "standby.h"

#include <fcntl.h>
#include <getopt.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define LEAD (10 * 1000000ULL)		/* ns from the last preparation to the first intended time */
#define TICK_COST 40000ULL		/* ns that the kernel's timer tick may take; 36 were measured in a virtual machine */

static void mark(const char *what)
{
	puts(what);
	fflush(stdout);
}

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

/* What is still open, or was never sent, was not answered. */
static void report(void)
{
	size_t count = option.rate > 0 && !interrupted ? total : next, first = 0, failed = 0;

	for (unsigned i = 0; i < option.connections; i++)
		if (pool[i].record)
			pool[i].record->failure = UNANSWERED;
	for (size_t i = next; i < count; i++)
		records[i].failure = UNANSWERED;
	while (first < count && records[first].intended < begin_at)
		first++;
	for (size_t i = first; i < count; i++)
		failed += records[i].failure != NONE;
	if (option.output)
		write_records(count);
	printf("{\"records\": %zu, \"first\": %zu, \"failed\": %zu, \"reconnects\": %lu, \"begin\": %llu, \"end\": %llu}\n", count,
	       first, failed, reconnects, (unsigned long long)begin_at, (unsigned long long)end_at);
}

static double number(const char *name, const char *text, double low, double high)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= low && value <= high))
		die(USAGE, "--%s is %s; it takes a number from %g to %g", name, text, low, high);
	return value;
}

static bool choice(const char *name, const char *text, const char *no, const char *yes)
{
	if (strcmp(text, no) && strcmp(text, yes))
		die(USAGE, "--%s is %s; it takes %s or %s", name, text, no, yes);
	return !strcmp(text, yes);
}

static void set_server(const char *address, unsigned port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&server;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&server;

	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		server_size = sizeof(*v4);
	} else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		server_size = sizeof(*v6);
	} else {
		die(USAGE, "--address is %s; it takes an IPv4 or IPv6 address", address);
	}
}

static const struct option names[] = {
	{"address", required_argument, 0, 'a'}, {"port", required_argument, 0, 'p'},
	{"path", required_argument, 0, 'u'}, {"host", required_argument, 0, 'h'},
	{"rate", required_argument, 0, 'r'},		/* requests a second; 0 is the closed loop */
	{"seconds", required_argument, 0, 's'}, {"warmup", required_argument, 0, 'w'},
	{"connections", required_argument, 0, 'c'},
	{"arrivals", required_argument, 0, 'd'},	/* fixed or poisson */
	{"seed", required_argument, 0, 'e'},
	{"connect", required_argument, 0, 'n'},		/* once (keep-alive), or each: a new connection for each request */
	{"spin", required_argument, 0, 'i'},		/* seconds before a send that are polled, not slept; 0 always sleeps */
	{"timeout", required_argument, 0, 't'},		/* seconds after the end until what is unanswered is given up */
	{"output", required_argument, 0, 'o'}, {0},
};

static void parse_options(int argc, char **argv)
{
	const char *name;
	int size, which, index;

	while ((which = getopt_long(argc, argv, "", names, &index)) != -1) {
		name = which == '?' ? "" : names[index].name;
		switch (which) {
		case 'a': option.address = optarg; break;
		case 'p': option.port = number(name, optarg, 1, 65535); break;
		case 'u': option.path = optarg; break;
		case 'h': option.host = optarg; break;
		case 'r': option.rate = number(name, optarg, 0, 1e6); break;
		case 's': option.seconds = number(name, optarg, 0.001, 3600); break;
		case 'w': option.warmup = number(name, optarg, 0, 600); break;
		case 'c': option.connections = number(name, optarg, 1, 10000); break;
		case 'd': option.poisson = choice(name, optarg, "fixed", "poisson"); break;
		case 'e': option.seed = number(name, optarg, 0, 0x1p53); break;
		case 'n': option.fresh = choice(name, optarg, "once", "each"); break;
		case 'i': option.spin = number(name, optarg, 0, 1); break;
		case 't': option.timeout = number(name, optarg, 0.001, 600); break;
		case 'o': option.output = optarg; break;
		default: exit(USAGE);
		}
	}
	if (optind < argc || !option.address || !option.port)
		die(USAGE, "wanted --address, --port and other options by name; openloop.c lists them");
	set_server(option.address, option.port);
	size = snprintf(request, sizeof(request), server.ss_family == AF_INET6 && !option.host
			? "GET %s HTTP/1.1\r\nHost: [%s]\r\n\r\n" : "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
			option.path, option.host ? option.host : option.address);
	if (size >= (int)sizeof(request))
		die(USAGE, "--path and --host are longer than %zu bytes together", sizeof(request));
	request_size = size;
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
	report();
	return interrupted ? INTERRUPTED : 0;
}
