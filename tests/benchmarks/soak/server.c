/*
 * server PORT SEEN COUNT: answers each request to /…/NUMBER with its own body, and counts in the file SEEN, a byte for each
 * of COUNT numbers, how often it has read that request. Sockets are non-blocking, as those of most servers.
 */
#include "soak.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#define CONNECTIONS 4096

struct connection {
	size_t used, sent, owed;
	char *in, *out;
};

static struct connection connections[CONNECTIONS];
static uint8_t *seen;
static size_t count;
static char body[BODY_LIMIT];

static void forget(int fd)
{
	free(connections[fd].in);
	free(connections[fd].out);
	connections[fd] = (struct connection){0};
	close(fd);
}

/* The body behind the head [.., end) in what came, copied to `body`; -1 where more has to come. */
static ssize_t body_of(const char *head, const char *end, const char *came, size_t *taken)
{
	const char *value = header(head, end, "content-length");
	size_t size = value ? strtoul(value, NULL, 10) : 0, whole = 0;

	value = header(head, end, "transfer-encoding");
	if (!value) {
		if (size > BODY_LIMIT)
			die("a body of %zu bytes", size);
		if ((size_t)(came - end) < size)
			return -1;
		memcpy(body, end, size);
		*taken = size;
		return size;
	}
	for (const char *at = end;;) {
		const char *line = memmem(at, came - at, "\r\n", 2);

		if (!line)
			return -1;
		size = strtoul(at, NULL, 16);
		line += 2;
		if ((size_t)(came - line) < size + 2)
			return -1;
		if (whole + size > BODY_LIMIT)
			die("chunks of %zu bytes", whole + size);
		memcpy(body + whole, line, size);
		whole += size;
		at = line + size + 2;
		if (!size) {
			*taken = at - end;
			return whole;
		}
	}
}

/* Answers the request that `c` begins with; whether it was whole. */
static bool answer(struct connection *c)
{
	const char *end = memmem(c->in, c->used, "\r\n\r\n", 4), *target;
	unsigned long number;
	ssize_t size;
	size_t taken;

	if (!end)
		return false;
	end += 4;
	size = body_of(c->in, end, c->in + c->used, &taken);
	if (size < 0)
		return false;
	target = memchr(c->in, ' ', end - c->in);
	target = target ? memmem(target + 2, end - target - 2, "/", 1) : NULL;
	number = target ? strtoul(target + 1, NULL, 10) : count;
	if (number >= count)
		die("no number in %.80s", c->in);
	if (seen[number] < 255)
		seen[number]++;
	c->owed = sprintf(c->out, "HTTP/1.1 200 OK\r\nServer: soak\r\nDate: now\r\nX-Number: %lu\r\nContent-Length: %zd\r\n\r\n", number, size);
	memcpy(c->out + c->owed, body, size);
	c->owed += size;
	c->sent = 0;
	c->used -= end - c->in + taken;
	memmove(c->in, end + taken, c->used);
	return true;
}

/* Sends what is owed; whether all of it has gone. */
static bool flushed(int fd, struct connection *c)
{
	while (c->sent < c->owed) {
		ssize_t gone = send(fd, c->out + c->sent, c->owed - c->sent, MSG_NOSIGNAL);

		if (gone < 0)
			return false;
		c->sent += gone;
	}
	return true;
}

static void serve(int fd)
{
	struct connection *c = &connections[fd];

	for (;;) {
		ssize_t got;

		if (!flushed(fd, c)) {
			if (errno != EAGAIN)
				forget(fd);
			return;
		}
		if (answer(c))
			continue;
		got = recv(fd, c->in + c->used, MESSAGE_LIMIT - c->used, 0);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0)
			return forget(fd);
		c->used += got;
	}
}

static void take(int listener, int epoll)
{
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};

		if (fd >= CONNECTIONS)
			die("more than %d connections", CONNECTIONS);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		connections[fd].in = malloc(MESSAGE_LIMIT);
		connections[fd].out = malloc(MESSAGE_LIMIT);
		if (!connections[fd].in || !connections[fd].out || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			die("no memory for a connection");
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 own = {.sin6_family = AF_INET6};
	int epoll = epoll_create1(EPOLL_CLOEXEC), on = 1, off = 0;
	int listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];

	if (argc != 4)
		die("wanted PORT SEEN COUNT");
	count = strtoul(argv[3], NULL, 10);
	seen = bytes_of(argv[2], count);
	own.sin6_port = htons(atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(listener, (struct sockaddr *)&own, sizeof(own)) || listen(listener, 1024) ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
		die("port %s: %s", argv[1], strerror(errno));
	puts("serving");
	fflush(stdout);
	for (;;) {
		int ready = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < ready; i++) {
			if (events[i].data.fd == listener)
				take(listener, epoll);
			else if (connections[events[i].data.fd].in)
				serve(events[i].data.fd);
		}
	}
}
