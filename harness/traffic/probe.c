/*
 * probe: one GET over one TCP connection, once, and what became of it.
 *
 *     probe ADDRESS PORT PATH SECONDS
 *
 * prints one of these lines; TIME is seconds since connect(2) was called:
 *     answered STATUS TIME     and, from the next line on, the body
 *     refused ERROR TIME       connect, send or recv failed; ERROR is a name such as ECONNREFUSED
 *     closed WHEN TIME         the connection was closed before the answer was complete
 *     silent WHEN TIME         SECONDS went by; WHEN is connecting, waiting (no byte came) or answering
 *     nonsense WHEN TIME       what came is not an HTTP/1.x answer that can be read
 * Exit status: 0 whatever became of it, 1 where no probe could be made, 2 for wrong use.
 */
#define _GNU_SOURCE
#include "response.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double begun, allowed;

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

__attribute__((noreturn)) static void became(const char *what, const char *detail)
{
	printf("%s %s %.6f\n", what, detail, seconds() - begun);
	exit(0);
}

__attribute__((noreturn)) static void refused(int error)
{
	became("refused", strerrorname_np(error) ? strerrorname_np(error) : "unknown");
}

/* Wait for `events`; what was going on is `when`, for the case that time runs out. */
static void await(int fd, short events, const char *when)
{
	struct pollfd waiting = {.fd = fd, .events = events};
	double left = begun + allowed - seconds();

	if (left <= 0 || poll(&waiting, 1, left * 1e3 + 1) == 0)
		became("silent", when);
}

int main(int argc, char **argv)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	static struct response response;
	static char data[2 * HEAD_LIMIT], request[2048];
	const char *when = "waiting";
	int fd, size, error = 0, on = 1;
	socklen_t error_size = sizeof(error);
	bool is6;

	if (argc != 5 || (allowed = atof(argv[4])) <= 0) {
		fputs("usage: probe ADDRESS PORT PATH SECONDS\n", stderr);
		return 2;
	}
	is6 = inet_pton(AF_INET6, argv[1], &v6.sin6_addr) == 1;
	if (!is6 && inet_pton(AF_INET, argv[1], &v4.sin_addr) != 1) {
		fprintf(stderr, "probe: %s is not an address\n", argv[1]);
		return 2;
	}
	v4.sin_port = v6.sin6_port = htons(atoi(argv[2]));
	size = snprintf(request, sizeof(request), is6 ? "GET %s HTTP/1.1\r\nHost: [%s]:%s\r\n\r\n" : "GET %s HTTP/1.1\r\nHost: %s:%s\r\n\r\n",
			argv[3], argv[1], argv[2]);
	fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || size >= (int)sizeof(request)) {
		perror("probe: socket");
		return 1;
	}
	/* ICMP errors end an open connection too, instead of being held against a time-out that comes much later. */
	if (is6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));

	begun = seconds();
	if (connect(fd, is6 ? (void *)&v6 : (void *)&v4, is6 ? sizeof(v6) : sizeof(v4)) < 0 && errno != EINPROGRESS)
		refused(errno);
	await(fd, POLLOUT, "connecting");
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
	if (error)
		refused(error);
	if (send(fd, request, size, MSG_NOSIGNAL) < 0)
		refused(errno);
	for (size_t used = 0;;) {
		ssize_t got;
		enum progress progress;

		await(fd, POLLIN, when);
		got = recv(fd, data + used, sizeof(data) - used, 0);
		if (got < 0 && errno == EAGAIN)
			continue;
		if (got < 0)
			refused(errno);
		progress = got ? response_take(&response, data + used, got) : response_closed(&response);
		if (progress == NONSENSE && got == 0)
			became("closed", when);
		used += got;
		when = "answering";
		if (progress == NONSENSE || progress == TRANSFER_CODED || used == sizeof(data))
			became("nonsense", when);
		if (progress == WHOLE) {
			const char *body = (const char *)memmem(data, used, "\r\n\r\n", 4) + 4;

			printf("answered %u %.6f\n", response.status, seconds() - begun);
			fwrite(body, 1, data + used - body, stdout);
			return 0;
		}
	}
}
