/*
 * requests: requests of HTTP/1.1, each asked over and over on a connection of its own, and their answers as they came.
 *
 *     requests SECONDS < REQUESTS
 *
 * A line for each request: ADDRESS PORT TIMES NONCE HEAD. HEAD, in hexadecimal, is all of its head but the last lines; a header
 * "Probe: NONCE" and an empty line end it. NONCE, 16 digits, is one more each time. A request is asked again when its last
 * answer has come, and not once its connection is closed.
 * Prints a line for each time, in order: END and what came, in hexadecimal, or - for nothing. END is answered, silent (nothing
 * came for SECONDS, as pulse.h counts them), closed, or an error's name such as ECONNREFUSED.
 * One request is asked after another, from non-blocking sockets.
 * Exit status: 0 whatever became of them, 1 where they could not be asked, 2 for wrong use.
 */
#define _GNU_SOURCE
#include "pulse.h"
#include "request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define ROOM (1 << 17)	/* bytes of an answer */
#define LINE_LIMIT (4 * REQUEST_LIMIT)
#define FINAL 200

static char came[ROOM], head[REQUEST_LIMIT];
static size_t used, head_size;
static unsigned beats;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "requests: %s: %s\n", what, strerror(errno));
	exit(1);
}

static const char *named(int error)
{
	return strerrorname_np(error) ? strerrorname_np(error) : "unknown";
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
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	/* Other errors show when it is written to. */
	if (connect(fd, six ? (void *)&v6 : (void *)&v4, six ? sizeof(v6) : sizeof(v4)) < 0 && errno == ENETUNREACH)
		die(address);
	return fd;
}

/* Whether a whole final answer is there; one without a length ends with its connection. */
static bool answered(bool bodiless)
{
	char *at = came, *end;

	while ((end = memmem(at, came + used - at, "\r\n\r\n", 4))) {
		int status = !strncmp(at, "HTTP/1.", strlen("HTTP/1.")) ? atoi(at + strlen("HTTP/1.1 ")) : 0;

		end += 4;
		if (status && status < FINAL) {
			at = end;
			continue;
		}
		if (bodiless || status == 204 || status == 304)
			return true;
		if (is_chunked(at, end))
			return chunks_size(end, came + used) > 0;
		return header(at, end, "content-length") && (size_t)(came + used - end) >= told_size(at, end);
	}
	return false;
}

/* Send the request and read its answer. How that ended. */
static const char *ask(int fd, uint64_t nonce, bool bodiless)
{
	char tail[64];
	size_t tail_size = snprintf(tail, sizeof(tail), "Probe: %016" PRIx64 "\r\n\r\n", nonce), sent = 0;

	if (head_size + tail_size > sizeof(head))
		return "toolong";
	memcpy(head + head_size, tail, tail_size);
	tail_size += head_size;
	used = 0;
	pulse_mark();
	while (!answered(bodiless)) {
		struct pollfd ready = {.fd = fd, .events = sent < tail_size ? POLLIN | POLLOUT : POLLIN};
		bool passed = pulse_passed(beats);
		ssize_t got;

		if (poll(&ready, 1, passed ? 0 : BEAT_NS / 1000000) == 0) {
			if (passed)
				return "silent";
			continue;
		}
		if (ready.revents & POLLOUT && sent < tail_size) {
			got = send(fd, head + sent, tail_size - sent, MSG_NOSIGNAL);
			if (got > 0)
				sent += got;
			else if (errno != EAGAIN && errno != EPIPE)
				return named(errno);
			pulse_mark();
		}
		if (!(ready.revents & ~POLLOUT))
			continue;
		if (used == ROOM)
			return "toolong";
		got = recv(fd, came + used, ROOM - used, 0);
		if (got > 0) {
			used += got;
			pulse_mark();
		} else if (got == 0) {
			return "closed";
		} else if (errno != EAGAIN) {
			return named(errno);
		}
	}
	return "answered";
}

static void told(const char *end)
{
	printf("%s ", end);
	for (size_t i = 0; i < used; i++)
		printf("%02x", (unsigned char)came[i]);
	puts(used ? "" : "-");
}

static bool head_read(const char *digits)
{
	unsigned byte;

	for (head_size = 0; sscanf(digits, "%2x", &byte) == 1; digits += 2) {
		if (head_size == sizeof(head))
			return false;
		head[head_size++] = byte;
	}
	return head_size;
}

int main(int argc, char **argv)
{
	static char line[LINE_LIMIT], digits[LINE_LIMIT];
	char address[INET6_ADDRSTRLEN];
	unsigned port, times;
	uint64_t nonce;

	if (argc != 2 || atof(argv[1]) <= 0) {
		fputs("usage: requests SECONDS < REQUESTS\n", stderr);
		return 2;
	}
	beats = atof(argv[1]) * 1e9 / BEAT_NS;
	if (!pulse_start())
		die("start");
	while (fgets(line, sizeof(line), stdin)) {
		const char *end = "answered";
		bool bodiless;
		int fd;

		if (sscanf(line, "%45s %u %u %" SCNx64 " %s", address, &port, &times, &nonce, digits) != 5 || !head_read(digits)) {
			fprintf(stderr, "requests: no request: %s", line);
			return 2;
		}
		bodiless = !strncmp(head, "HEAD ", strlen("HEAD "));
		fd = opened(address, port);
		for (unsigned i = 0; i < times; i++) {
			if (!strcmp(end, "answered"))
				end = ask(fd, nonce + i, bodiless);
			else
				used = 0;
			told(end);
		}
		close(fd);
	}
	return 0;
}
