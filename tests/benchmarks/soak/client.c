/*
 * client ADDRESS PORT CONNECTIONS SEED FIRST COUNT OUTCOMES BROKEN: makes the requests FIRST to COUNT - 1, each once.
 *
 * What a request is follows from its number: whether policy allows it, whether the kernel can understand it, how long its
 * body is and what is in it. Allowed ones must come back with their number and their own body, others with status 403. The
 * file OUTCOMES has a byte for each (enum outcome); BROKEN gets a line, time and number, for each that was in flight when
 * its connection ended, or was answered 503. Anything else ends the program with status 1. A line of JSON tells the counts.
 */
#include "soak.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>

#define PAUSE 2000	/* us in which nothing is asked after something went wrong: a backend is starting again */

enum outcome { NONE, ANSWERED, REFUSED, ENDED, UNAVAILABLE, OUTCOMES };
enum kind { PLAIN, LARGE, ODD, CHUNKED, SPLIT, DENIED };	/* all but PLAIN and DENIED are for the proxy to read */

struct connection {
	int fd;
	bool busy;
	unsigned long number;
	enum kind kind;
	size_t body, size, sent, used;
	char *out, *in;
};

static struct sockaddr_in6 server;
static uint64_t seed;
static unsigned long next, count, counts[OUTCOMES], of_kind[DENIED + 1];
static uint8_t *outcomes;
static FILE *broken;
static int epoll;
static char expected[BODY_LIMIT + 8];

static void fill(char *body, size_t size, unsigned long number)
{
	for (size_t at = 0; at < size; at += 8) {
		uint64_t word = drawn(seed + 1 + number, at);

		memcpy(body + at, &word, 8);	/* there is room behind it */
	}
}

static enum kind kind_of(unsigned long number)
{
	unsigned percent = drawn(seed, number) % 1000;

	return percent < 120 ? DENIED : percent < 200 ? ODD : percent < 240 ? CHUNKED : percent < 244 ? LARGE : percent < 260 ? SPLIT : PLAIN;
}

static size_t size_of(unsigned long number, enum kind kind)
{
	uint64_t chance = drawn(seed ^ 0x5bd1e995, number);

	if (kind == LARGE)
		return (64 << 10) + chance % (64 << 10);
	return chance % 100 < 30 ? 0 : chance % 100 < 97 ? (chance >> 8) % 1500 : (chance >> 8) % 40000;
}

static void prepare(struct connection *c)
{
	const char *odd = c->kind == ODD ? "TE: trailers\r\n" : "";
	unsigned long n = c->number;

	if (c->kind == DENIED) {
		c->size = sprintf(c->out, "GET /private/%lu HTTP/1.1\r\nHost: soak\r\n\r\n", n);
		return;
	}
	c->body = size_of(n, c->kind);
	if (c->kind != CHUNKED) {
		c->size = sprintf(c->out, "POST /public/%lu HTTP/1.1\r\nHost: soak\r\n%sContent-Length: %zu\r\n\r\n", n, odd, c->body);
		fill(c->out + c->size, c->body, n);
		c->size += c->body;
		return;
	}
	fill(expected, c->body, n);
	c->size = sprintf(c->out, "POST /public/%lu HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n", n);
	for (size_t at = 0, part; at < c->body; at += part) {
		part = c->body - at < 700 ? c->body - at : 700;
		c->size += sprintf(c->out + c->size, "%zx\r\n", part);
		memcpy(c->out + c->size, expected + at, part);
		c->size += part;
		memcpy(c->out + c->size, "\r\n", 2);
		c->size += 2;
	}
	c->size += sprintf(c->out + c->size, "0\r\n\r\n");
}

static void settle(struct connection *c, enum outcome what)
{
	outcomes[c->number] = what;
	counts[what]++;
	of_kind[c->kind]++;
	if (what == ENDED || what == UNAVAILABLE) {
		fprintf(broken, "%lu %lu\n", (unsigned long)clock_ns(), c->number);
		usleep(PAUSE);
	}
	c->busy = false;
}

static void reopen(struct connection *c)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
	int on = 1;

	if (c->fd >= 0)
		close(c->fd);
	c->fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) && errno != EINPROGRESS)
		die("connect: %s", strerror(errno));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event))
		die("epoll_ctl: %s", strerror(errno));
	c->used = 0;
}

static void begin(struct connection *c)
{
	if (next >= count)
		return;
	c->number = next++;
	c->kind = kind_of(c->number);
	c->busy = true;
	c->sent = 0;
	prepare(c);
}

__attribute__((noreturn)) static void wrong(const struct connection *c, const char *what)
{
	die("request %lu (kind %d, body of %zu bytes): %s: %.300s", c->number, c->kind, c->body, what, c->in);
}

/* Judges the answer whose head is [in, end); whether all of it is there. */
static bool judge(struct connection *c, const char *end)
{
	const char *length = header(c->in, end, "content-length"), *number = header(c->in, end, "x-number");
	size_t body = length ? strtoul(length, NULL, 10) : 0;
	int status = atoi(c->in + 9);

	if (strncmp(c->in, "HTTP/1.1 ", 9) || !length)
		wrong(c, "no answer that can be read");
	if ((size_t)(c->in + c->used - end) < body)
		return false;
	if ((size_t)(c->in + c->used - end) > body)
		wrong(c, "more than an answer");
	if (status == 503 && c->kind != DENIED) {
		settle(c, UNAVAILABLE);
	} else if (c->kind == DENIED) {
		if (status != 403)
			wrong(c, "not refused");
		settle(c, REFUSED);
	} else {
		if (status != 200 || !number || strtoul(number, NULL, 10) != c->number || body != c->body)
			wrong(c, "another answer");
		fill(expected, body, c->number);
		if (memcmp(expected, end, body))
			wrong(c, "another body");
		settle(c, ANSWERED);
	}
	c->used = 0;
	return true;
}

static void serve(struct connection *c)
{
	for (;;) {
		const char *end;
		ssize_t moved;

		if (!c->busy) {
			begin(c);
			if (!c->busy)
				return;
		}
		while (c->sent < c->size) {
			size_t part = c->size - c->sent;

			if (c->kind == SPLIT && !c->sent && part > 40)
				part = 40;
			moved = send(c->fd, c->out + c->sent, part, MSG_NOSIGNAL);
			if (moved < 0 && (errno == EAGAIN || errno == ENOTCONN))
				break;
			if (moved < 0) {
				settle(c, ENDED);
				return reopen(c);
			}
			c->sent += moved;
		}
		moved = recv(c->fd, c->in + c->used, MESSAGE_LIMIT - 1 - c->used, 0);
		if (moved < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return;
		if (moved <= 0) {
			settle(c, ENDED);
			return reopen(c);
		}
		c->used += moved;
		c->in[c->used] = 0;
		end = memmem(c->in, c->used, "\r\n\r\n", 4);
		if (end)
			judge(c, end + 4);
	}
}

static void aim(const char *address, const char *port)
{
	char mapped[INET6_ADDRSTRLEN + 8];

	snprintf(mapped, sizeof(mapped), strchr(address, ':') ? "%s" : "::ffff:%s", address);
	server.sin6_family = AF_INET6;
	server.sin6_port = htons(atoi(port));
	if (inet_pton(AF_INET6, mapped, &server.sin6_addr) != 1)
		die("%s is no address", address);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct connection *all;
	unsigned connections;

	if (argc != 9)
		die("wanted ADDRESS PORT CONNECTIONS SEED FIRST COUNT OUTCOMES BROKEN");
	aim(argv[1], argv[2]);
	connections = atoi(argv[3]);
	seed = strtoul(argv[4], NULL, 10);
	next = strtoul(argv[5], NULL, 10);
	count = strtoul(argv[6], NULL, 10);
	outcomes = bytes_of(argv[7], count);
	broken = fopen(argv[8], "w");
	epoll = epoll_create1(EPOLL_CLOEXEC);
	all = calloc(connections, sizeof(*all));
	if (!broken || epoll < 0 || !all)
		die("%s: %s", argv[8], strerror(errno));
	for (unsigned i = 0; i < connections; i++) {
		all[i] = (struct connection){.fd = -1, .out = malloc(MESSAGE_LIMIT), .in = malloc(MESSAGE_LIMIT)};
		if (!all[i].out || !all[i].in)
			die("no memory");
		begin(&all[i]);
		reopen(&all[i]);
	}
	for (bool busy = true; busy;) {
		int ready = epoll_wait(epoll, events, EVENTS, 20000);

		if (!ready) {
			for (unsigned i = 0; i < connections; i++)
				if (all[i].busy)
					fprintf(stderr, "soak: request %lu (kind %d): %zu of %zu bytes sent, %zu came\n", all[i].number, all[i].kind,
						all[i].sent, all[i].size, all[i].used);
			die("nothing came for 20 s");
		}
		for (int i = 0; i < ready; i++)
			serve(events[i].data.ptr);
		busy = false;
		for (unsigned i = 0; !busy && i < connections; i++)
			busy = all[i].busy;
	}
	fclose(broken);
	printf("{\"answered\": %lu, \"refused\": %lu, \"ended\": %lu, \"unavailable\": %lu, "
	       "\"plain\": %lu, \"large\": %lu, \"odd\": %lu, \"chunked\": %lu, \"split\": %lu, \"denied\": %lu}\n",
	       counts[ANSWERED], counts[REFUSED], counts[ENDED], counts[UNAVAILABLE], of_kind[PLAIN], of_kind[LARGE], of_kind[ODD],
	       of_kind[CHUNKED], of_kind[SPLIT], of_kind[DENIED]);
	return 0;
}
