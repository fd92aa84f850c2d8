/*
 * delayed: an HTTP/1.1 server that answers each request as long after it has read it as the request itself says.
 *
 *     delayed PORT OUTPUT
 *
 * GET /after/NS is answered NS nanoseconds after it was read, any other request at once; many may wait at a time. What is waited is
 * slept, except for the end, which is polled, so that no answer is late by a wake-up. When it listens, on all IPv4 addresses, a line
 * `ready` goes to standard output. At SIGTERM a `struct given` of each answer, in their order, is written to OUTPUT.
 * Exit status: 0, 1 where it cannot serve, 2 for wrong use; why is on standard error.
 */
#define _GNU_SOURCE
#include "listening.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#define SECOND 1000000000ULL
#define POLLED 60000ULL	/* ns before an answer is due from when it is polled: longer than a virtual processor takes to wake up */
#define SOCKETS 4096
#define HEAD_LIMIT 4096
#define BODY 1024	/* bytes, as of nginx's /1k */
#define ASKED "GET /after/"
#define GIVEN_LIMIT (1 << 22)

/* A connection is what a descriptor is until it is closed; the number tells it from the next one of the same descriptor. */
static struct connection {
	uint32_t number;
	size_t used;
	char head[HEAD_LIMIT];
} *connections;

static struct waiting {
	int fd;
	uint32_t number;
	uint64_t since, asked;
} waiting[SOCKETS];

/* How long an answer was to wait, and how long it did: from when its request was read until just before it was sent. */
static struct given {
	uint64_t asked, waited;
} *given;

static unsigned waiters;
static size_t answers;
static char answer[BODY + 128];
static size_t answer_size;
static int events;
static volatile sig_atomic_t ending;

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "delayed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void end(int number)
{
	(void)number;
	ending = 1;
}

static void watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) < 0)
		fail("epoll_ctl");
}

static void leave(int fd)
{
	connections[fd].number++;
	connections[fd].used = 0;
	close(fd);
}

static void accept_all(int listener)
{
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (fd >= SOCKETS) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		watch(fd);
	}
}

/* Have each whole request wait. A client that sends more than there is room for is left. */
static void receive(int fd)
{
	struct connection *c = &connections[fd];
	ssize_t got = recv(fd, c->head + c->used, HEAD_LIMIT - c->used, 0);
	char *rest;

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		leave(fd);
		return;
	}
	c->used += got;
	while ((rest = memmem(c->head, c->used, "\r\n\r\n", 4))) {
		uint64_t asked = strncmp(c->head, ASKED, strlen(ASKED)) ? 0 : strtoull(c->head + strlen(ASKED), NULL, 10);

		if (waiters == SOCKETS) {
			leave(fd);
			return;
		}
		rest += 4;
		c->used -= rest - c->head;
		memmove(c->head, rest, c->used);
		waiting[waiters++] = (struct waiting){fd, c->number, clock_ns(), asked};
	}
	if (c->used == HEAD_LIMIT)
		leave(fd);
}

static void reply(const struct waiting *to, uint64_t now)
{
	if (connections[to->fd].number != to->number)
		return;	/* its client did not wait for it */
	if (answers < GIVEN_LIMIT)
		given[answers++] = (struct given){to->asked, now - to->since};
	if (send(to->fd, answer, answer_size, MSG_NOSIGNAL) != (ssize_t)answer_size)
		leave(to->fd);
}

/* Give the answers that are due. ns until the next is, UINT64_MAX where nobody waits. */
static uint64_t answer_due(void)
{
	uint64_t soonest = UINT64_MAX;
	unsigned left = 0;

	for (unsigned i = 0; i < waiters; i++) {
		struct waiting each = waiting[i];
		uint64_t now = clock_ns(), passed = now - each.since;

		if (passed >= each.asked) {
			reply(&each, now);
			continue;
		}
		waiting[left++] = each;	/* in the order in which they came: no client's answers change places */
		if (each.asked - passed < soonest)
			soonest = each.asked - passed;
	}
	waiters = left;
	return soonest;
}

static void serve(int listener)
{
	struct epoll_event ready[64];

	while (!ending) {
		uint64_t left = answer_due(), asleep = left > POLLED ? left - POLLED : 0;
		struct timespec timeout = {asleep / SECOND, asleep % SECOND};
		int count = epoll_pwait2(events, ready, 64, left == UINT64_MAX ? NULL : &timeout, NULL);

		for (int i = 0; i < count; i++) {
			if (ready[i].data.fd == listener)
				accept_all(listener);
			else
				receive(ready[i].data.fd);
			answer_due();
		}
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end};
	int listener, output;
	FILE *written;

	if (argc != 3) {
		fputs("usage: delayed PORT OUTPUT\n", stderr);
		return 2;
	}
	output = open(argv[2], O_WRONLY | O_CLOEXEC);
	if (output < 0 || !(written = fdopen(output, "wb")))
		fail(argv[2]);
	connections = calloc(SOCKETS, sizeof(*connections));
	given = calloc(GIVEN_LIMIT, sizeof(*given));
	answer_size = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BODY);
	memset(answer + answer_size, 'x', BODY);
	answer_size += BODY;
	sigaction(SIGTERM, &action, NULL);
	prctl(PR_SET_TIMERSLACK, 1);
	listener = listening(AF_INET, SOCK_STREAM, atoi(argv[1]));
	events = epoll_create1(EPOLL_CLOEXEC);
	if (!connections || !given || listener < 0 || events < 0)
		fail("port");
	watch(listener);
	puts("ready");
	fflush(stdout);
	serve(listener);
	if (fwrite(given, sizeof(*given), answers, written) != answers || fclose(written))
		fail(argv[2]);
	return 0;
}
