/*
 * exchange: bytes over one TCP connection, cut as asked, and all that comes back.
 *
 *     exchange SECONDS ADDRESS PORT [turns] < PIECES
 *
 * PIECES: a line for each send, its bytes in hexadecimal. Nothing is waited for between them but room to send; with `turns`
 * a piece is sent when something has come back for the one before it, and then nothing for TURN beats.
 * Prints END and what came back in hexadecimal, or - for nothing; END is closed, silent (nothing came for SECONDS, as
 * pulse.h counts them) or an error's name such as ECONNRESET.
 * Exit status: 0 whatever became of it, 1 where it could not be tried, 2 for wrong use.
 */
#define _GNU_SOURCE
#include "pulse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MOST 4096	/* sends */
#define TURN 3
#define ROOM (1 << 20)	/* bytes that come back */

static struct piece {
	char *bytes;
	size_t size;
} pieces[MOST];
static size_t count;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "exchange: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool pieces_read(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	while ((length = getline(&line, &room, stdin)) > 1) {
		struct piece *piece = &pieces[count];
		unsigned byte;

		if (++count == MOST || !(piece->bytes = malloc(length / 2 + 1)))
			return false;
		for (char *digits = line; sscanf(digits, "%2x", &byte) == 1; digits += 2)
			piece->bytes[piece->size++] = byte;
	}
	free(line);
	return count;
}

static int opened(const char *address, uint16_t port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool six = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
	/* A connection that is left in TIME_WAIT would be in the way of a later one. */
	struct linger reset = {.l_onoff = 1};
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || (!six && inet_pton(AF_INET, address, &v4.sin_addr) != 1))
		die(address);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));	/* a segment for each send */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, six ? (void *)&v6 : (void *)&v4, six ? sizeof(v6) : sizeof(v4)) < 0 && errno != EINPROGRESS)
		die("connect");
	return fd;
}

/* Send what there is room for of the piece that is next. The error that it meets, which no other call will tell again; else 0. */
static int give(int fd, size_t *next, size_t *sent)
{
	struct piece *piece = &pieces[*next];
	ssize_t gone = send(fd, piece->bytes + *sent, piece->size - *sent, MSG_NOSIGNAL);

	if (gone < 0 && errno != EAGAIN) {
		*next = count;
		return errno == EPIPE ? 0 : errno;
	}
	if (gone <= 0)
		return 0;
	*sent += gone;
	if (*sent == piece->size) {
		*sent = 0;
		++*next;
	}
	return 0;
}

static const char *named(int error)
{
	return strerrorname_np(error) ? strerrorname_np(error) : "unknown";
}

int main(int argc, char **argv)
{
	static char data[ROOM];
	size_t next = 0, sent = 0, used = 0;
	const char *end = NULL;
	unsigned beats;
	bool heard = false;
	int fd, broken = 0;

	if (argc < 4 || argc > 5 || atof(argv[1]) <= 0 || !pieces_read()) {
		fputs("usage: exchange SECONDS ADDRESS PORT [turns] < PIECES\n", stderr);
		return 2;
	}
	beats = atof(argv[1]) * 1e9 / BEAT_NS;
	if (!pulse_start())
		die("start");
	fd = opened(argv[2], atoi(argv[3]));
	pulse_mark();
	while (!end) {
		bool due = !next || sent || argc == 4 || (heard && pulse_passed(TURN));
		struct pollfd ready = {.fd = fd, .events = next < count && due ? POLLIN | POLLOUT : POLLIN};
		bool passed = pulse_passed(beats);
		ssize_t got;

		if (poll(&ready, 1, passed ? 0 : BEAT_NS / 1000000) == 0) {
			end = passed ? "silent" : NULL;
			continue;
		}
		if (ready.revents & POLLOUT && next < count) {
			heard = false;
			broken = give(fd, &next, &sent);
			pulse_mark();
		}
		if (!(ready.revents & ~POLLOUT))
			continue;
		got = recv(fd, data + used, ROOM - used, 0);
		if (got > 0) {
			used += got;
			heard = true;
			pulse_mark();
		} else if (got == 0) {
			end = broken ? named(broken) : "closed";
		} else if (errno != EAGAIN) {
			end = named(errno);
		}
	}
	printf("%s ", end);
	for (size_t i = 0; i < used; i++)
		printf("%02x", (unsigned char)data[i]);
	puts(used ? "" : "-");
	return 0;
}
