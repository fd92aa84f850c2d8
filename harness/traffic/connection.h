/* The connections: opening, sending, receiving, and opening again. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "form.h"
#include "response.h"
#include "turn.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#define GUARD 4000ULL			/* ns before a send that are not spent on an answer, which may take that long */
#define RETRY (10 * 1000000ULL)		/* ns between attempts to reopen a connection */
#define EVENTS 64

enum state { CLOSED, CONNECTING, FREE, BUSY };	/* with --fresh a FREE connection is a slot without a socket */

struct connection {
	int fd;
	uint32_t generation;		/* tells an event of an earlier socket from one of this socket */
	enum state state;
	bool queued;			/* has a place in `line` */
	uint64_t free_since;
	struct record *record;		/* of the request that it is busy with */
	struct response response;
};

static char scratch[128 * 1024];

static size_t next;				/* the first record that has not been sent; 0 until the start */
static struct connection *pool;
static unsigned *line, line_head, line_length;	/* ring of free connections, longest free first: all are used in turn */
static size_t outstanding;			/* requests that were sent and are neither answered nor given up */
static uint64_t retry_at = UINT64_MAX;
static unsigned long reconnects;
static int epoll;
static volatile sig_atomic_t interrupted;

static void line_up(struct connection *c, uint64_t now)
{
	c->state = FREE;
	c->free_since = now;
	if (c->queued)
		return;
	c->queued = true;
	line[(line_head + line_length++) % option.connections] = c - pool;
}

static struct connection *leave_line(void)
{
	struct connection *c = &pool[line[line_head]];

	c->queued = false;
	line_head = (line_head + 1) % option.connections;
	line_length--;
	return c;
}

/* Whether the line has a free connection at its head; those that were closed while they waited leave it. */
static bool any_free(void)
{
	while (line_length && pool[line[line_head]].state != FREE)
		leave_line();
	return line_length;
}

/* A socket on its way to the server, or -1 and errno. */
static int begin_connect(void)
{
	int on = 1, fd = socket(server.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die(FAILED, "socket: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&server, server_size) == 0 || errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

static void release(struct connection *c, uint64_t now, enum failure why);

static void open_connection(struct connection *c)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};

	c->state = CONNECTING;
	c->fd = begin_connect();
	if (c->fd < 0)
		return release(c, clock_ns(), CONNECT_FAILED);
	event.data.u64 = (uint64_t)++c->generation << 32 | (c - pool);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
		die(FAILED, "epoll_ctl: %s", strerror(errno));
}

/* A socket has no more use, and its request failed if `why` says so. Its slot is used again: later, if connecting failed. */
static void release(struct connection *c, uint64_t now, enum failure why)
{
	if (c->fd >= 0)
		hard_close(c->fd);
	c->fd = -1;
	c->state = CLOSED;
	if (c->record) {
		c->record->failure = why;
		c->record = NULL;
		outstanding--;
	}
	if (option.fresh) {
		line_up(c, now);
	} else if (why == CONNECT_FAILED) {
		retry_at = now + RETRY;
	} else {
		reconnects++;
		open_connection(c);
	}
}

static void reopen_closed(void)
{
	retry_at = UINT64_MAX;
	for (unsigned i = 0; i < option.connections; i++)
		if (pool[i].state == CLOSED)
			open_connection(&pool[i]);
}

static void transmit(struct connection *c)
{
	struct form *form = &forms[c->record->form];

	response_reset(&c->response);
	c->state = BUSY;
	if (option.numbered)
		number_form(form, c->record - records);
	if (send(c->fd, form->request, form->size, MSG_NOSIGNAL) != (ssize_t)form->size)
		release(c, clock_ns(), BROKEN);
}

static void start_request(struct connection *c, struct record *r, uint64_t now)
{
	r->sent = now;
	r->lag = now - (r->intended > c->free_since ? r->intended : c->free_since);
	r->form = draw_form(&option.seed);
	c->record = r;
	outstanding++;
	if (option.fresh)
		open_connection(c);
	else
		transmit(c);
}

/*
 * Start each request that is due for `grace` ns already. Returns the ns until the next will be, or NEVER where none is left
 * or no connection is free. In turn only.
 */
static uint64_t start_due(uint64_t grace)
{
	while (next < total && any_free()) {
		uint64_t now = clock_ns();
		struct record *r = &records[next];

		if (option.rate <= 0) {
			if (now >= end_at)
				break;
			r->intended = now;
		}
		if (r->intended + grace > now)
			return r->intended + grace - now;
		next++;
		start_request(leave_line(), r, now);
	}
	return NEVER;
}

/* Start each request that is due, and wait for those that are due within `horizon` ns. */
static void start_all_due(uint64_t horizon)
{
	uint64_t left;

	do {
		take_turn();
		left = start_due(0);
		give_turn();
	} while (left <= horizon);
}

static void finish(struct connection *c, uint64_t now)
{
	c->record->done = now;
	c->record->status = c->response.status;
	c->record = NULL;
	outstanding--;
	if (option.fresh || c->response.close_after || c->response.until_close)
		release(c, now, NONE);
	else
		line_up(c, now);
}

/* Edge-triggered: read until nothing is left, which a short read shows unless the end of the stream was announced too. */
static void receive(struct connection *c, uint32_t events)
{
	uint32_t generation = c->generation;

	while (c->fd >= 0 && c->generation == generation) {
		ssize_t got = recv(c->fd, scratch, sizeof(scratch), 0);
		uint64_t now = clock_ns();
		enum progress progress;

		if (got < 0 && errno == EAGAIN)
			return;
		if (got < 0 || c->state == FREE)
			return release(c, now, BROKEN);
		progress = got ? response_take(&c->response, scratch, got) : response_closed(&c->response);
		if (progress == TRANSFER_CODED)
			die(FAILED, "an answer (status %u) came with a Transfer-Encoding: only those with a Content-Length are timed",
			    c->response.status);
		if (progress == NONSENSE)
			return release(c, now, got ? MALFORMED : BROKEN);
		if (progress == WHOLE)
			finish(c, now);
		if (got < (ssize_t)sizeof(scratch) && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
			return;
	}
}

static void handle(struct connection *c, uint32_t events)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (c->state != CONNECTING)
		return receive(c, events);
	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error)
		release(c, clock_ns(), CONNECT_FAILED);
	else if (c->record)
		transmit(c);
	else
		line_up(c, clock_ns());
}

/* Wait for events until `deadline` less `spin` ns at most, and handle them; sends that fall due in between go first. */
static void wait_and_handle(uint64_t deadline, uint64_t spin)
{
	struct epoll_event events[EVENTS];
	uint64_t now = clock_ns(), left = deadline > now + spin ? deadline - now - spin : 0;
	struct timespec timeout = {left / SECOND, left % SECOND};
	int count = epoll_pwait2(epoll, events, EVENTS, &timeout, NULL);

	if (count < 0 && errno != EINTR)
		die(FAILED, "epoll_pwait2: %s", strerror(errno));
	for (int i = 0; i < count; i++) {
		struct connection *c = &pool[(uint32_t)events[i].data.u64];

		start_all_due(spin ? GUARD : 0);
		take_turn();
		if (c->generation == events[i].data.u64 >> 32)
			handle(c, events[i].events);
		give_turn();
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One connection that is thrown away: a server that is not there is told from one that fails under load. */
static void check_reachable(void)
{
	struct pollfd waiting = {.events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof(error);

	waiting.fd = begin_connect();
	if (waiting.fd < 0)
		die(UNREACHABLE, "cannot reach %s port %u: %s", option.address, option.port, strerror(errno));
	if (poll(&waiting, 1, option.timeout * 1e3) <= 0)
		die(UNREACHABLE, "cannot reach %s port %u: no answer within %g s", option.address, option.port, option.timeout);
	getsockopt(waiting.fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error)
		die(UNREACHABLE, "cannot reach %s port %u: %s", option.address, option.port, strerror(error));
	hard_close(waiting.fd);
}

static void open_pool(void)
{
	uint64_t deadline = clock_ns() + option.timeout * 1e9;
	unsigned open = 0;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	pool = calloc(option.connections, sizeof(*pool));
	line = calloc(option.connections, sizeof(*line));
	if (epoll < 0 || !pool || !line)
		die(FAILED, "no memory for %u connections", option.connections);
	for (unsigned i = 0; i < option.connections; i++) {
		pool[i].fd = -1;
		if (option.fresh)
			line_up(&pool[i], clock_ns());
		else
			open_connection(&pool[i]);
	}
	while (!interrupted && line_length < option.connections && clock_ns() < deadline) {
		if (clock_ns() >= retry_at)
			reopen_closed();
		wait_and_handle(earlier(deadline, retry_at), 0);
	}
	for (unsigned i = 0; i < option.connections; i++)
		open += pool[i].state == FREE;
	if (!interrupted && open < option.connections)
		die(UNREACHABLE, "%s port %u took only %u of %u connections within %g s", option.address, option.port, open, option.connections, option.timeout);
}

#endif
