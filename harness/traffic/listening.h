/* Sockets that listen on a port of every address of one family. */
#ifndef LISTENING_H
#define LISTENING_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_BUFFER (4 << 20)	/* a burst of datagrams from every pod at once, while this process waits for a CPU */

/* A socket of TCP, or of UDP that says where datagrams were sent to; -1, and errno says why, where it cannot be had. One family
 * each, as nginx listens: an IPv6 socket would report IPv4 clients as mapped addresses. */
static int listening(int family, int type, unsigned port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool six = family == AF_INET6, stream = type == SOCK_STREAM;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, buffer = RECEIVE_BUFFER;

	if (fd < 0)
		return -1;
	if (six)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (stream) {
		/* Connections of a former responder in TIME_WAIT do not matter; another listener does, and still fails. */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	} else {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
		if (six)
			setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
		else
			setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	}
	if (bind(fd, six ? (void *)&v6 : (void *)&v4, six ? sizeof(v6) : sizeof(v4)) < 0 || (stream && listen(fd, 4096) < 0))
		return -1;
	return fd;
}

#endif
