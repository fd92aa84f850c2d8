/*
 * Streams: small numbered messages, about one a millisecond, whose server sends each of them back. Both ends write down
 * what they see into memory that is a file, so that nothing is lost when one of them is killed.
 *
 *   stream client LOG ID tcp|udp ADDRESS PORT SOURCE_PORT
 *   stream server LOG PORT...
 *
 * A message carries the time (CLOCK_MONOTONIC, one for all namespaces) at which it was given to the kernel: what was sent
 * before a moment is told from what was sent after it, however late either arrives. SIGUSR1 has a process write a mark
 * when it has read all that had come for it.
 *
 * A TCP client opens its connection again, from the same port, when it ends or is not established within a while.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <linux/tcp.h> /* not the C library's, whose struct tcp_info lacks what is asked for here */

#define PERIOD_NS 1000000L
#define RETRY_NS 20000000L /* between two attempts to connect */
#define CONNECT_NS 200000000L /* for an attempt: the kernel's first retransmission would come after a second */
#define BUFFER (16 << 20) /* of a socket: ten seconds of messages, so that a process that does not run loses none */
#define MAGIC 0xFFA55AFFu /* the beginning of no protocol that a proxy would sniff */
#define SOCKETS 64

enum kind { SENT = 1, ANSWERED = 2, ARRIVED = 3, MARKED = 4, OPENED = 5, ENDED = 6, ATTEMPTED = 7 };

struct record {
	uint32_t kind;
	uint32_t stream;
	uint64_t number;
	uint64_t sent; /* ns, as the message says */
	uint64_t time; /* ns, of this record */
	uint64_t lost; /* TCP segments sent again, less those of which the peer says that it had them */
};

#include "diary.h"

struct message {
	uint32_t magic;
	uint32_t stream;
	uint64_t number;
	uint64_t sent;
};

static volatile sig_atomic_t marking;

static void mark(int number)
{
	(void)number;
	marking = 1;
}

static void note(enum kind kind, const struct message *message, uint64_t lost)
{
	*diary_next() = (struct record){kind, message->stream, message->number, message->sent, now(), lost};
	diary_wrote();
}

static void prepare(int socket)
{
	int one = 1, size = BUFFER;

	fcntl(socket, F_SETFL, O_NONBLOCK);
	if (setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		diary_fail("receive buffer");
	setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t parse(union address *address, const char *text, int port)
{
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_port = htons(port);
		return sizeof(address->v4);
	}
	if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) != 1)
		diary_fail(text);
	address->v6.sin6_family = AF_INET6;
	address->v6.sin6_port = htons(port);
	return sizeof(address->v6);
}

/* What came of one connection: part of a message, and what is left to be sent. */
struct channel {
	int socket;
	size_t have;
	struct message message;
	size_t pending;
	struct message out;
};

#include "stream_client.h"

/* The server. */

static struct channel channels[SOCKETS];
static struct pollfd polled[SOCKETS];
static int sockets, listeners;

static void serve(int type, int port)
{
	union address own;
	socklen_t length = parse(&own, "::", port);
	int off = 0, fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || sockets == SOCKETS)
		diary_fail("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	prepare(fd);
	if (bind(fd, &own.any, length) || (type == SOCK_STREAM && listen(fd, SOCKETS)))
		diary_fail("bind");
	polled[sockets++] = (struct pollfd){fd, POLLIN, 0};
}

static bool echo_datagrams(int fd)
{
	struct message message;
	union address peer;
	bool any = false;

	for (;;) {
		socklen_t length = sizeof(peer);
		ssize_t got = recvfrom(fd, &message, sizeof(message), MSG_DONTWAIT, &peer.any, &length);

		if (got < 0)
			return any;
		any = true;
		if (got == sizeof(message) && message.magic == MAGIC) {
			note(ARRIVED, &message, 0);
			sendto(fd, &message, sizeof(message), MSG_DONTWAIT, &peer.any, length);
		}
	}
}

static bool admit(int fd)
{
	int one = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (one < 0)
		return false;
	if (sockets == SOCKETS) {
		close(one);
		return true;
	}
	prepare(one);
	channels[sockets] = (struct channel){.socket = one};
	polled[sockets++] = (struct pollfd){one, POLLIN, 0};
	return true;
}

static void leave(int index)
{
	close(polled[index].fd);
	sockets--;
	channels[index] = channels[sockets];
	polled[index] = polled[sockets];
}

/* Whether there was anything to read. A peer that takes no answers is let go of. */
static bool echo_stream(int index)
{
	struct channel *channel = &channels[index];
	char *to = (char *)&channel->message + channel->have;
	ssize_t got = recv(channel->socket, to, sizeof(channel->message) - channel->have, MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		leave(index);
		return true;
	}
	channel->have += got;
	if (channel->have < sizeof(channel->message))
		return true;
	channel->have = 0;
	if (channel->message.magic == MAGIC)
		note(ARRIVED, &channel->message, 0);
	if (channel->message.magic != MAGIC ||
	    send(channel->socket, &channel->message, sizeof(channel->message), MSG_NOSIGNAL | MSG_DONTWAIT) !=
		    sizeof(channel->message))
		leave(index);
	return true;
}

/* Reads all there is to read. */
static void drain(void)
{
	bool any = true;

	while (any) {
		any = false;
		for (int index = 0; index < listeners; index++)
			any |= index % 2 ? echo_datagrams(polled[index].fd) : admit(polled[index].fd);
		for (int index = sockets - 1; index >= listeners; index--)
			any |= echo_stream(index);
	}
}

static _Noreturn void run_server(int argc, char **argv)
{
	struct message none = {MAGIC, 0, 0, 0};

	for (int index = 3; index < argc; index++) {
		serve(SOCK_STREAM, atoi(argv[index]));
		serve(SOCK_DGRAM, atoi(argv[index]));
	}
	listeners = sockets;
	note(OPENED, &none, 0);
	for (;;) {
		struct timespec beat = {0, 10 * PERIOD_NS}; /* a signal may come just before the wait begins */

		ppoll(polled, sockets, &beat, NULL);
		int asked = marking;

		if (asked)
			marking = 0;
		drain();
		if (asked)
			note(MARKED, &none, 0);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = mark};

	sigaction(SIGUSR1, &action, NULL);
	if (argc == 8 && !strcmp(argv[1], "client")) {
		diary_open(argv[2]);
		run_client(argv);
	}
	if (argc > 3 && !strcmp(argv[1], "server")) {
		diary_open(argv[2]);
		run_server(argc, argv);
	}
	fprintf(stderr, "usage: stream client LOG ID tcp|udp ADDRESS PORT SOURCE_PORT | stream server LOG PORT...\n");
	return 2;
}
