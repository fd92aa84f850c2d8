/*
 * blocking: a closed loop of clients that have never heard of non-blocking sockets. Each connection is a thread that sends
 * its request and reads the answer to its end, asleep in send(2) and recv(2) meanwhile, as most programs' libraries do.
 *
 * Its command line, markers and records are openloop's with --rate 0. A blocking socket that says EAGAIN is a failure of its
 * own: the kernel promises that it never does, and a program that believes it breaks.
 */
#define _GNU_SOURCE
#define PROGRAM "blocking"
#include "command.h"
#include "outcome.h"
#include "response.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define STACK (256 * 1024)
#define LEAD (10 * 1000000ULL)	/* ns from when all are connected to the first request */
#define RETRY (10 * 1000000ULL)	/* ns between attempts to open a connection again */

struct client {
	pthread_t thread;
	atomic_int fd;		/* -1 while it is not connected */
	struct record *record;	/* of the request that it waits for */
	struct response response;
	char scratch[64 * 1024];
};

static struct client *clients;
static atomic_size_t taken;		/* records */
static atomic_ulong reconnects;
static atomic_bool over;		/* nothing is waited for any more */
static pthread_barrier_t connected, started;
static volatile sig_atomic_t interrupted;

/* A blocking socket that is connected, or -1 and errno. */
static int open_connection(void)
{
	int on = 1, fd = socket(server.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die(FAILED, "socket: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!connect(fd, (struct sockaddr *)&server, server_size))
		return fd;
	close(fd);
	return -1;
}

static struct record *take_record(void)
{
	size_t number = atomic_fetch_add(&taken, 1);

	if (number >= total)
		die(FAILED, "the closed loop made more than %.0f requests a second", CLOSED_LOOP_CEILING);
	return &records[number];
}

static enum failure broken(void)
{
	return errno == EAGAIN ? WOULD_BLOCK : BROKEN;
}

/* One request and its answer; NONE, or what went wrong, and then the connection is of no more use. */
static enum failure ask(struct client *c, int fd, const struct form *form)
{
	response_reset(&c->response);
	for (size_t sent = 0; sent < form->size;) {
		ssize_t some = send(fd, form->request + sent, form->size - sent, MSG_NOSIGNAL);

		if (some < 0)
			return broken();
		sent += some;
	}
	while (true) {
		ssize_t got = recv(fd, c->scratch, sizeof(c->scratch), 0);
		enum progress progress;

		if (got < 0)
			return broken();
		progress = got ? response_take(&c->response, c->scratch, got) : response_closed(&c->response);
		if (progress == TRANSFER_CODED)
			die(FAILED, "an answer (status %u) came with a Transfer-Encoding: only those with a Content-Length are timed",
			    c->response.status);
		if (progress == NONSENSE)
			return got ? MALFORMED : BROKEN;
		if (progress == WHOLE)
			return NONE;
	}
}

static void disconnect(struct client *c)
{
	int fd = atomic_exchange(&c->fd, -1);

	if (fd >= 0)
		hard_close(fd);
}

static void reconnect(struct client *c)
{
	struct timespec pause = {0, RETRY};

	disconnect(c);
	atomic_fetch_add(&reconnects, 1);
	while (!atomic_load(&over) && clock_ns() < end_at) {
		int fd = open_connection();

		if (fd >= 0) {
			atomic_store(&c->fd, fd);
			return;
		}
		nanosleep(&pause, NULL);
	}
}

static void one_request(struct client *c, unsigned form)
{
	struct record *r = take_record();
	enum failure why;

	r->intended = r->sent = clock_ns();
	r->form = form;
	why = ask(c, atomic_load(&c->fd), &forms[form]);
	if (why == NONE) {
		r->done = clock_ns();
		r->status = c->response.status;
	}
	r->failure = why != NONE && atomic_load(&over) ? UNANSWERED : why;
	if (why != NONE || c->response.close_after || c->response.until_close)
		reconnect(c);
}

static void *live(void *argument)
{
	struct client *c = argument;
	uint64_t seed = option.seed + (c - clients);
	int fd = open_connection();

	atomic_store(&c->fd, fd);
	pthread_barrier_wait(&connected);
	pthread_barrier_wait(&started);
	while (!atomic_load(&over) && clock_ns() < end_at && atomic_load(&c->fd) >= 0)
		one_request(c, draw_form(&seed));
	return NULL;
}

static void start_clients(void)
{
	pthread_attr_t attributes;

	clients = calloc(option.connections, sizeof(*clients));
	if (!clients)
		die(FAILED, "no memory for %u connections", option.connections);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	pthread_barrier_init(&connected, NULL, option.connections + 1);
	pthread_barrier_init(&started, NULL, option.connections + 1);
	for (unsigned i = 0; i < option.connections; i++)
		if (pthread_create(&clients[i].thread, &attributes, live, &clients[i]))
			die(FAILED, "no thread for connection %u of %u", i + 1, option.connections);
	pthread_barrier_wait(&connected);
	for (unsigned i = 0; i < option.connections; i++)
		if (atomic_load(&clients[i].fd) < 0)
			die(UNREACHABLE, "cannot reach %s port %u over all of %u connections", option.address, option.port,
			    option.connections);
}

static void sleep_until(uint64_t when)
{
	struct timespec at = {when / SECOND, when % SECOND};

	while (!interrupted && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

/* Wake clients that wait for answers which do not come. A socket is not closed under its thread, which does so itself. */
static void give_up(void)
{
	atomic_store(&over, true);
	for (unsigned i = 0; i < option.connections; i++) {
		int fd = atomic_load(&clients[i].fd);

		if (fd >= 0)
			shutdown(fd, SHUT_RDWR);
	}
}

static void join_clients(void)
{
	uint64_t until = end_at + option.timeout * 1e9;
	struct timespec left;

	for (unsigned i = 0; i < option.connections; i++) {
		uint64_t now = clock_ns(), more = !interrupted && now < until ? until - now : 0;

		clock_gettime(CLOCK_REALTIME, &left);	/* which pthread_timedjoin_np waits by */
		left.tv_sec += (left.tv_nsec + more) / SECOND;
		left.tv_nsec = (left.tv_nsec + more) % SECOND;
		if (!pthread_timedjoin_np(clients[i].thread, NULL, &left))
			continue;
		give_up();
		pthread_join(clients[i].thread, NULL);
	}
}

static void interrupt(int signal)
{
	(void)signal;
	interrupted = true;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = interrupt};
	sigset_t all, before;

	parse_options(argc, argv);
	if (option.numbered)
		die(USAGE, "--number is openloop's: these threads send one text, all at once");
	if (option.rate > 0 || option.fresh)
		die(USAGE, "--rate and --connect each are openloop's: a blocking client asks again when it has been answered");
	option.rate = 0;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	total = prepare_records();
	sigfillset(&all);	/* signals are for the main thread */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	start_clients();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	begin_at = clock_ns() + LEAD + option.warmup * 1e9;
	end_at = begin_at + option.seconds * 1e9;
	pthread_barrier_wait(&started);
	sleep_until(begin_at);
	mark("begin");
	sleep_until(end_at);
	join_clients();
	mark("end");
	report(atomic_load(&taken), atomic_load(&reconnects));
	return interrupted ? INTERRUPTED : 0;
}
