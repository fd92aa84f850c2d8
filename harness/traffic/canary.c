/*
 * canary: begins a flow again and again while something changes, and writes down when it began each.
 *
 *     canary DIARY tcp|udp ADDRESS PORT PERIOD_US
 *
 * TCP: a connection from a port that none before it had, and GET /name over it with a header "Probe: NONCE". UDP: a datagram that says NONCE, from a port of its
 * own. Each is let go of when it is answered or refused, or before the kernel would send its SYN again: of what never
 * got through nothing comes later. It runs until it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

enum kind { BEGAN = 1, ANSWERED = 2 };

struct record {
	uint32_t kind;
	uint32_t port; /* its own */
	uint64_t nonce;
	uint64_t began; /* ns, before the kernel was asked to send anything */
	uint64_t time;
};

#include "diary.h"

#define AT_ONCE 1024
#define FIRST_PORT 10000
#define LAST_PORT 60999
#define PATIENCE_NS 400000000ull /* the kernel's first retransmission comes after a second */

struct attempt {
	int fd;
	bool asked;
	struct record record;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* A ring: attempts are let go of in the order in which they began, if not before. */
static struct attempt attempts[AT_ONCE];
static uint64_t first, next;
static int events;
static bool tcp;
static union address server;
static socklen_t length;
static char request[128];

static void note(enum kind kind, struct attempt *attempt)
{
	attempt->record.kind = kind;
	attempt->record.time = now();
	*diary_next() = attempt->record;
	diary_wrote();
}

static void let_go(struct attempt *attempt)
{
	struct linger at_once = {1, 0};

	if (attempt->fd < 0)
		return;
	setsockopt(attempt->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(attempt->fd);
	attempt->fd = -1;
}

static void ask(struct attempt *attempt)
{
	char text[256];
	int size = tcp ? snprintf(text, sizeof(text), "%sProbe: %016llx\r\n\r\n", request, (unsigned long long)attempt->record.nonce)
		       : snprintf(text, sizeof(text), "%016llx", (unsigned long long)attempt->record.nonce);

	attempt->asked = true;
	if (send(attempt->fd, text, size, MSG_NOSIGNAL) < 0)
		let_go(attempt);
}

/*
 * Bind to the port after the one before. The kernel's choice would come again after some thousands of connections, and a SYN
 * that came in from such a port would be taken for the later connection's.
 */
static void bind_own(int fd)
{
	static uint16_t port;
	union address own = {.any.sa_family = server.any.sa_family};

	if (!port && getrandom(&port, sizeof(port), 0) == sizeof(port))
		port = FIRST_PORT + port % (LAST_PORT - FIRST_PORT);
	for (int tries = 0; tries <= LAST_PORT - FIRST_PORT; tries++) {
		port = port >= LAST_PORT ? FIRST_PORT : port + 1;
		own.v4.sin_port = htons(port);	/* at the same place in both families */
		if (!bind(fd, &own.any, length))
			return;
		if (errno != EADDRINUSE)
			break;
	}
	diary_fail("bind");
}

static void begin(uint64_t nonce)
{
	struct attempt *attempt = &attempts[next % AT_ONCE];
	struct epoll_event event = {.events = tcp ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = attempt};
	union address own;
	socklen_t size = sizeof(own);

	*attempt = (struct attempt){.fd = socket(server.any.sa_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
	if (attempt->fd < 0 || epoll_ctl(events, EPOLL_CTL_ADD, attempt->fd, &event))
		diary_fail("socket");
	next++;
	if (tcp)
		bind_own(attempt->fd);
	attempt->record = (struct record){.nonce = nonce, .began = now()};
	if (connect(attempt->fd, &server.any, length) && errno != EINPROGRESS) {
		let_go(attempt);
		return;
	}
	getsockname(attempt->fd, &own.any, &size);
	attempt->record.port = ntohs(own.v4.sin_port); /* at the same place in both families */
	note(BEGAN, attempt);
	if (!tcp)
		ask(attempt);
}

static void hear(struct attempt *attempt, uint32_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = attempt};
	char answer[1024];

	if (attempt->fd < 0)
		return;
	if (tcp && !attempt->asked && !(what & (EPOLLERR | EPOLLHUP))) {
		epoll_ctl(events, EPOLL_CTL_MOD, attempt->fd, &event);
		ask(attempt);
		return;
	}
	if (recv(attempt->fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
		note(ANSWERED, attempt);
	let_go(attempt);
}

static bool understood(char **argv)
{
	memset(&server, 0, sizeof(server));
	tcp = !strcmp(argv[2], "tcp");
	if (inet_pton(AF_INET, argv[3], &server.v4.sin_addr) == 1) {
		server.v4.sin_family = AF_INET;
		length = sizeof(server.v4);
	} else if (inet_pton(AF_INET6, argv[3], &server.v6.sin6_addr) == 1) {
		server.v6.sin6_family = AF_INET6;
		length = sizeof(server.v6);
	} else {
		return false;
	}
	server.v4.sin_port = htons(atoi(argv[4]));
	snprintf(request, sizeof(request), length == sizeof(server.v4) ? "GET /name HTTP/1.1\r\nHost: %s:%s\r\n"
								       : "GET /name HTTP/1.1\r\nHost: [%s]:%s\r\n", argv[3], argv[4]);
	return tcp || !strcmp(argv[2], "udp");
}

int main(int argc, char **argv)
{
	uint64_t period, due, nonce;

	if (argc != 6 || !understood(argv) || (period = strtoull(argv[5], NULL, 10) * 1000) == 0) {
		fputs("usage: canary DIARY tcp|udp ADDRESS PORT PERIOD_US\n", stderr);
		return 2;
	}
	diary_open(argv[1]);
	events = epoll_create1(EPOLL_CLOEXEC);
	if (events < 0 || getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		diary_fail("start");
	for (due = now();;) {
		struct epoll_event heard[64];
		uint64_t time = now();
		struct timespec left = {0, due > time ? due - time : 0};
		int number = epoll_pwait2(events, heard, 64, &left, NULL);

		for (int i = 0; i < number; i++)
			hear(heard[i].data.ptr, heard[i].events);
		while (first < next && (next - first == AT_ONCE || attempts[first % AT_ONCE].fd < 0 ||
					now() - attempts[first % AT_ONCE].record.began > PATIENCE_NS))
			let_go(&attempts[first++ % AT_ONCE]);
		if (now() >= due) {
			begin(++nonce);
			due = now() + period; /* what was missed is not made up for: no bursts */
		}
	}
}
