/*
 * responder: says who it is, over TCP and UDP, IPv4 and IPv6, on many ports.
 *
 *     responder READY DIARY INTERFACE NAME [PORT...]
 *
 * TCP: HTTP/1.x; every request is answered by 200 and NAME (HEAD without NAME), whatever its method and path. Its body, of a
 * Content-Length or in chunks, is read over; one that does not fit is refused. The connection stays open unless the
 * request says Connection: close, is HTTP/1.0 or is refused. GET /later is answered by a head, and by NAME when the process
 * gets SIGUSR1. A request may say how it is to be answered: "Probe-Status: 503 Service Unavailable", "Probe-Delay: MILLISECONDS",
 * "Probe-First: N", by which both hold for only the first N requests of its NONCE (below), and "Probe-Only: NAME", by which both
 * hold for the server of this NAME alone. "Probe-Headers: NAME: VALUE|..." are headers of the answer. Nothing that comes over its connection meanwhile is read before a late answer is given.
 * UDP: a datagram is answered by NAME, a line end and the datagram, from the address that it was sent to. A datagram with
 * a line end is an answer itself and is not answered, so that two responders never talk to each other.
 * DIARY gets a record of each request and datagram that it reads (arrivals.h), with the hexadecimal NONCE that a header
 * "Probe: NONCE" or the datagram itself says, and of what came in at INTERFACE (none for "-"). At SIGUSR2 all that is there
 * is read, and then a mark is written. DIARY.bytes gets every byte that is read of TCP, in pieces (struct piece).
 * When all ports are open, NAME and a line end are written to READY (a FIFO). It runs until it is killed.
 * Exit status: 1 where it cannot serve, 2 for wrong use; why is on standard error.
 */
#define _GNU_SOURCE
#include "arrivals.h"
#include "listening.h"
#include "told.h"
#include "transcript.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define DATAGRAM_LIMIT 1024

#define DEBTORS 256	/* connections that wait for an answer, or the rest of one */

enum role { LISTENER, DATAGRAMS, CONNECTION, CAPTURE };

struct endpoint {
	enum role role;
	int fd;
	uint16_t port;	/* of DATAGRAMS */
	uint32_t number;	/* of a connection */
	uint64_t due;	/* when its first request is answered, ns of CLOCK_MONOTONIC; 0 for at once */
	size_t used;
	char head[];	/* of a connection: what came and is not answered yet */
};

static const char *name;
static int events, transcript;
static uint32_t connections;
static struct endpoint *debtors[DEBTORS], *late[DEBTORS];
static volatile sig_atomic_t pay, marking;

__attribute__((noreturn)) static void die(const char *what, unsigned port)
{
	fprintf(stderr, "responder: %s port %u: %s\n", what, port, strerror(errno));
	exit(1);
}

static struct endpoint *watched(enum role role, int fd)
{
	struct endpoint *endpoint = calloc(1, sizeof(*endpoint) + (role == CONNECTION ? REQUEST_LIMIT : 0));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = endpoint};

	if (!endpoint || epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) < 0)
		return NULL;
	endpoint->role = role;
	endpoint->fd = fd;
	endpoint->number = role == CONNECTION ? ++connections : 0;
	return endpoint;
}

static void serve(int family, int type, unsigned port)
{
	bool six = family == AF_INET6, stream = type == SOCK_STREAM;
	const char *what = stream ? six ? "TCP over IPv6," : "TCP over IPv4," : six ? "UDP over IPv6," : "UDP over IPv4,";
	int fd = listening(family, type, port);
	struct endpoint *endpoint = fd < 0 ? NULL : watched(stream ? LISTENER : DATAGRAMS, fd);

	if (!endpoint)
		die(what, port);
	endpoint->port = port;
}

static void leave(struct endpoint *connection)
{
	for (int i = 0; i < DEBTORS; i++)
		if (debtors[i] == connection)
			debtors[i] = NULL;
	for (int i = 0; i < DEBTORS; i++)
		if (late[i] == connection)
			late[i] = NULL;
	close(connection->fd);
	free(connection);
}

static void accept_all(const struct endpoint *listener)
{
	int fd, on = 1;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (!watched(CONNECTION, fd))
			close(fd);
	}
}

static bool owe(struct endpoint *connection, struct endpoint *owing[DEBTORS])
{
	for (int i = 0; i < DEBTORS; i++)
		if (!owing[i]) {
			owing[i] = connection;
			return true;
		}
	return false;
}

/* Send the rest of all answers. */
static void pay_debts(void)
{
	for (int i = 0; i < DEBTORS; i++)
		if (debtors[i]) {
			send(debtors[i]->fd, name, strlen(name), MSG_NOSIGNAL);
			debtors[i] = NULL;
		}
}

static void note_signal(int number)
{
	if (number == SIGUSR1)
		pay = 1;
	else
		marking = 1;
}

static void hear(enum kind kind, const struct sockaddr_in6 *from, uint16_t port, uint64_t nonce)
{
	const struct sockaddr_in *v4 = (const void *)from;
	struct record *record = diary_next();

	*record = (struct record){.kind = kind, .family = from->sin6_family == AF_INET6 ? 6 : 4, .port = port, .nonce = nonce, .time = now()};
	record->protocol = kind == REQUEST ? IPPROTO_TCP : IPPROTO_UDP;
	record->source_port = ntohs(from->sin6_port);
	if (record->family == 6)
		memcpy(record->source, &from->sin6_addr, 16);
	else
		memcpy(record->source, &v4->sin_addr, 4);
	diary_wrote();
}

static void hear_request(const struct endpoint *connection, const char *head, const char *end)
{
	struct sockaddr_in6 from = {}, own = {};
	socklen_t size = sizeof(from), own_size = sizeof(own);

	getpeername(connection->fd, (void *)&from, &size);
	getsockname(connection->fd, (void *)&own, &own_size);
	hear(REQUEST, &from, ntohs(own.sin6_port), nonce_of(head, end));
}

/* Answer the request [head, end), which ends in an empty line. False where the connection must end. */
static bool answer_request(struct endpoint *connection, const char *head, const char *end, bool obeys)
{
	const char *line_end = memchr(head, '\r', end - head), *status = status_of(head, end), *body = name;
	bool stays = !says_close(head, end), later = !strncmp(head, "GET /later ", strlen("GET /later "));
	char answer[2 * TOLD_LIMIT], lines[TOLD_LIMIT], said[64];
	int size;

	if (later && !owe(connection, debtors))
		status = "503 Service Unavailable";
	told_headers(head, end, lines);
	if (*status != '2') {
		body = status;
		stays = false;	/* what follows is not known to be a request */
	} else if (obeys && told_status(head, end, said, sizeof(said))) {
		status = said;
	}
	if (!memmem(head, line_end - head, " HTTP/1.1", strlen(" HTTP/1.1")))
		stays = false;
	size = snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s%s\r\n%s", status,
			strlen(body), lines, stays ? "" : "Connection: close\r\n", body);
	if ((later && *status == '2') || !strncmp(head, "HEAD ", strlen("HEAD ")))
		size -= strlen(body);
	return send(connection->fd, answer, size, MSG_NOSIGNAL) == size && stays;
}

/* Answer the requests that have come whole. One that wants its answer late makes all behind it wait. */
static void answer_requests(struct endpoint *connection)
{
	char *head = connection->head, *end;

	while ((end = memmem(head, connection->used, "\r\n\r\n", 4))) {
		size_t size, whole;
		bool came, obeys, waited = connection->due;

		end += 4;
		came = body_came(head, end, head + connection->used, &size);
		whole = end - head + size;
		if (whole > REQUEST_LIMIT) {	/* it does not fit */
			leave(connection);
			return;
		}
		if (!came)
			break;
		if (!waited)
			hear_request(connection, head, end);
		obeys = waited || holds(head, end, name);
		if (!waited && obeys && delay_of(head, end) && owe(connection, late)) {
			connection->due = now() + delay_of(head, end);
			return;
		}
		connection->due = 0;
		if (!answer_request(connection, head, end, obeys)) {
			leave(connection);
			return;
		}
		connection->used -= whole;
		memmove(head, head + whole, connection->used);
	}
	if (connection->used == REQUEST_LIMIT)
		leave(connection);
}

static void serve_connection(struct endpoint *connection)
{
	char *head = connection->head;
	ssize_t got = recv(connection->fd, head + connection->used, REQUEST_LIMIT - connection->used, 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		leave(connection);
		return;
	}
	if (!transcript_add(transcript, connection->number, connection->fd, head + connection->used, got))
		diary_fail("the transcript");
	connection->used += got;
	if (!connection->due)
		answer_requests(connection);
}

/* Give the answers that are due. Milliseconds until the next one is, -1 if none is to come. */
static int answer_late_ones(void)
{
	uint64_t soonest = 0;

	for (int i = 0; i < DEBTORS; i++) {
		struct endpoint *connection = late[i];

		if (connection && connection->due <= now()) {
			late[i] = NULL;
			answer_requests(connection);
		}
	}
	for (int i = 0; i < DEBTORS; i++)
		if (late[i] && (!soonest || late[i]->due < soonest))
			soonest = late[i]->due;
	if (!soonest)
		return -1;
	return soonest > now() ? (int)((soonest - now()) / 1000000) + 1 : 0;
}

/* The control message that holds where a datagram was sent to is also the one that says where its answer comes from. */
static void answer_datagrams(const struct endpoint *socket)
{
	char data[DATAGRAM_LIMIT + 2];
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control;
	struct sockaddr_in6 from;
	size_t size = strlen(name);

	for (;;) {
		struct iovec parts[] = {{data, DATAGRAM_LIMIT + 1}, {"\n", 1}, {data, 0}};
		struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = parts, .msg_iovlen = 1,
					 .msg_control = &control, .msg_controllen = sizeof(control)};
		ssize_t got = recvmsg(socket->fd, &message, 0);
		struct cmsghdr *info = got < 0 ? NULL : CMSG_FIRSTHDR(&message);

		if (got < 0)
			return;
		if (got > DATAGRAM_LIMIT || !info)
			continue;
		data[got] = 0;
		hear(DATAGRAM, &from, socket->port, strtoull(data, NULL, 16));
		if (memchr(data, '\n', got))
			continue;
		if (info->cmsg_level == IPPROTO_IP) {
			struct in_pktinfo *asked = (struct in_pktinfo *)CMSG_DATA(info);

			asked->ipi_spec_dst = asked->ipi_addr;
			asked->ipi_ifindex = 0;	/* routes decide, as for any program */
		} else {
			((struct in6_pktinfo *)CMSG_DATA(info))->ipi6_ifindex = 0;
		}
		parts[0] = (struct iovec){(char *)name, size};
		parts[2].iov_len = got;
		message.msg_iovlen = 3;
		message.msg_flags = 0;
		sendmsg(socket->fd, &message, 0);
	}
}

static void say_ready(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%s\n", name) < 0) {
		perror("responder: ready");
		exit(1);
	}
	close(fd);
}

static void attend(struct endpoint *endpoint)
{
	if (endpoint->role == LISTENER)
		accept_all(endpoint);
	else if (endpoint->role == DATAGRAMS)
		answer_datagrams(endpoint);
	else if (endpoint->role == CAPTURE)
		arrivals_read(endpoint->fd);
	else
		serve_connection(endpoint);
}

/* Attend to whatever is ready. False where nothing is within `milliseconds` (-1: a signal came); `signals` come in only here. */
static bool attend_all(int milliseconds, const sigset_t *signals)
{
	struct epoll_event ready[256];
	int number = epoll_pwait(events, ready, 256, milliseconds, signals);

	for (int i = 0; i < number; i++)
		attend(ready[i].data.ptr);
	return number > 0;
}

int main(int argc, char **argv)
{
	static const int families[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
	struct sigaction noting = {.sa_handler = note_signal};
	struct rlimit files;
	sigset_t before, signals;
	char path[4096];

	if (argc < 5 || strlen(argv[4]) > 512) {
		fputs("usage: responder READY DIARY INTERFACE NAME [PORT...]\n", stderr);
		return 2;
	}
	name = argv[4];
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, &before);
	sigaction(SIGUSR1, &noting, NULL);
	sigaction(SIGUSR2, &noting, NULL);
	diary_open(argv[2]);
	snprintf(path, sizeof(path), "%s.bytes", argv[2]);
	transcript = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (transcript < 0)
		diary_fail(path);
	events = epoll_create1(EPOLL_CLOEXEC);
	if (strcmp(argv[3], "-") &&
	    (!watched(CAPTURE, arrivals_open(argv[3], ETH_P_IP)) || !watched(CAPTURE, arrivals_open(argv[3], ETH_P_IPV6))))
		diary_fail("captures");
	for (int i = 5; i < argc; i++)
		for (int family = 0; family < 2; family++)
			for (int type = 0; type < 2; type++)
				serve(families[family], types[type], atoi(argv[i]));
	say_ready(argv[1]);
	for (;;) {
		attend_all(answer_late_ones(), &before);
		if (pay) {
			pay = 0;
			pay_debts();
		}
		if (marking) {
			marking = 0;
			while (attend_all(0, NULL))
				;
			*diary_next() = (struct record){.kind = MARKED, .time = now()};
			diary_wrote();
		}
	}
}
