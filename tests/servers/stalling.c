/*
 * stalling: an HTTP/1.1 server on loopback that does nothing at all for STALL seconds out of every PERIOD.
 *
 *     stalling PERIOD STALL
 *
 * prints its port, then the begin and end of each stall in ns of CLOCK_MONOTONIC, one a line. What a request sent at
 * any time must have waited follows from these lines. STALL 0 is a server that never stalls.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void answer_all(int fd)
{
	char data[65536];
	ssize_t got = read(fd, data, sizeof(data));

	if (got <= 0) {
		close(fd);
		return;
	}
	for (const char *at = data; (at = memmem(at, data + got - at, "\r\n\r\n", 4)); at += 4)
		if (send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
			return;
}

int main(int argc, char **argv)
{
	uint64_t period = atof(argc > 1 ? argv[1] : "1") * 1e9, stall = atof(argc > 2 ? argv[2] : "0") * 1e9;
	uint64_t next = stall ? clock_ns() + period : UINT64_MAX;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0), on = 1;
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[64];

	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event)) {
		perror("stalling");
		return 1;
	}
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		uint64_t now = clock_ns();
		int count;

		if (now >= next) {
			struct timespec length = {stall / 1000000000, stall % 1000000000};

			nanosleep(&length, NULL);
			printf("%llu %llu\n", (unsigned long long)now, (unsigned long long)clock_ns());
			fflush(stdout);
			next += period;
			continue;
		}
		count = epoll_wait(epoll, events, 64, stall ? (int)((next - now) / 1000000) : -1);
		for (int i = 0; i < count && clock_ns() < next; i++) {
			if (events[i].data.fd != listener) {
				answer_all(events[i].data.fd);
				continue;
			}
			event.data.fd = accept(listener, NULL, NULL);
			setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
		}
	}
}
