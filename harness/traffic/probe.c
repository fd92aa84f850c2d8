/*
 * probe: many flows, each asked once and all of them at once, and what became of each.
 *
 *     probe SECONDS [UID GID] < FLOWS
 *
 * With UID and GID it becomes them once it runs: neither need be able to reach its file.
 * A line for each flow: PROTOCOL ADDRESS NUMBER CODE OWN NONCE [HEAD]. PROTOCOL is tcp (one request over one connection), udp
 * (one datagram) or icmp (one message of type NUMBER and code CODE, which must be an echo request); else NUMBER is a port.
 * OWN is the port that a datagram is sent from, unless it is taken, or the identifier of an ICMP message. NONCE, 16 digits,
 * is what each says of itself: a datagram, an echo request, and a request in a header "Probe: NONCE", which ends its head.
 * HEAD, in hexadecimal, is what stands before that header; GET /name without it.
 * Prints a line for each, in the same order; TIME is in seconds since the flow was begun, BODY is in hexadecimal:
 *     answered STATUS TIME BODY    STATUS is 0 but for tcp; of a datagram that repeats what was sent, BODY is the rest
 *     refused ERROR TIME -         connect, send or recv failed; ERROR is a name such as ECONNREFUSED
 *     closed WHEN TIME -           the connection was closed before the answer was complete
 *     nonsense WHEN TIME -         what came is not an HTTP/1.x answer that can be read
 *     silent WHEN TIME -           WHEN is connecting, waiting (nothing came) or answering
 * It ends when all flows have ended or nothing at all was heard for SECONDS, as pulse.h counts them.
 * Exit status: 0 whatever became of them, 1 where a probe could not be made, 2 for wrong use.
 */
#define _GNU_SOURCE
#include "icmp.h"
#include "pulse.h"
#include "response.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE 24	/* sent in a row: fewer than queues on the way hold, also when several probers send */
#define BODY_SHOWN 600
#define LINE_LIMIT 32768

enum protocol { TCP, UDP, ICMP };

struct tcp_answer {
	struct response response;
	size_t used;
	char data[2 * HEAD_LIMIT];
};

struct flow {
	enum protocol protocol;
	int fd;	/* -1 once its end is known */
	union {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to;
	char address[INET6_ADDRSTRLEN], nonce[NONCE + 1];
	unsigned number, code, own, status;
	struct tcp_answer *answer;
	char *head;	/* NULL for that of the default request */
	size_t head_size;
	const char *what, *how;
	double begun, took;
	char body[2 * BODY_SHOWN + 1];
};

static struct flow *flows;
static unsigned count, left;
static int events;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static bool is6(const struct flow *flow)
{
	return flow->to.v4.sin_family == AF_INET6;
}

static void became(struct flow *flow, const char *what, const char *how)
{
	flow->what = what;
	flow->how = how;
	flow->took = seconds() - flow->begun;
	close(flow->fd);
	flow->fd = -1;
	free(flow->answer);
	flow->answer = NULL;
	left--;
}

static void refused(struct flow *flow, int error)
{
	became(flow, "refused", strerrorname_np(error) ? strerrorname_np(error) : "unknown");
}

static void answered(struct flow *flow, unsigned status, const char *body, size_t size)
{
	flow->status = status;
	for (size_t i = 0; i < size && i < BODY_SHOWN; i++)
		sprintf(flow->body + 2 * i, "%02x", (unsigned char)body[i]);
	became(flow, "answered", NULL);
}

static int opened(const struct flow *flow)
{
	static const int types[] = {[TCP] = SOCK_STREAM, [UDP] = SOCK_DGRAM, [ICMP] = SOCK_RAW};
	bool v6 = is6(flow);
	int protocol = flow->protocol != ICMP ? 0 : v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, on = 1;
	int fd = socket(v6 ? AF_INET6 : AF_INET, types[flow->protocol] | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	/* A connection that is left in TIME_WAIT would be in the way of a later one. */
	struct linger reset = {.l_onoff = 1};

	if (fd < 0)
		die("socket");
	/* ICMP errors end a flow at once, instead of being held against a time-out that comes much later. */
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	if (flow->protocol == TCP)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	else if (flow->protocol == ICMP)
		icmp_only_replies(fd, v6);
	return fd;
}

static void begin(struct flow *flow)
{
	struct epoll_event event = {.events = flow->protocol == TCP ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = flow};
	/* Either family's: that of IPv6 is the larger. */
	struct sockaddr_in6 to = flow->to.v6, from = {.sin6_family = to.sin6_family, .sin6_port = htons(flow->own)};
	struct echo echo = icmp_request(is6(flow), flow->number, flow->code, flow->own, flow->nonce);
	ssize_t sent = 0;

	flow->fd = opened(flow);
	if (flow->protocol == UDP && bind(flow->fd, (void *)&from, sizeof(from)) < 0 && errno != EADDRINUSE)
		die("bind");
	flow->how = flow->protocol == TCP ? "connecting" : "waiting";
	/* A raw socket's port is a protocol. */
	if (flow->protocol == ICMP)
		to.sin6_port = 0;
	if (epoll_ctl(events, EPOLL_CTL_ADD, flow->fd, &event) < 0)
		die("epoll_ctl");
	flow->begun = seconds();
	if (connect(flow->fd, (void *)&to, is6(flow) ? sizeof(flow->to.v6) : sizeof(flow->to.v4)) < 0 && errno != EINPROGRESS) {
		if (errno == EADDRNOTAVAIL || errno == EAGAIN)
			die("connect");	/* no port, no memory: of this process, not of the flow */
		refused(flow, errno);
		return;
	}
	if (flow->protocol == UDP)
		sent = send(flow->fd, flow->nonce, NONCE, 0);
	else if (flow->protocol == ICMP)
		sent = send(flow->fd, &echo, sizeof(echo), 0);
	if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
		die("send");
	if (sent < 0)
		refused(flow, errno);
}

static void ask(struct flow *flow)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = flow};
	char request[LINE_LIMIT / 2];
	int size;

	if (flow->head) {
		size = snprintf(request, sizeof(request), "%.*sProbe: %s\r\n\r\n", (int)flow->head_size, flow->head, flow->nonce);
	} else {
		const char *format = is6(flow) ? "GET /name HTTP/1.1\r\nHost: [%s]:%u\r\nProbe: %s\r\n\r\n"
					       : "GET /name HTTP/1.1\r\nHost: %s:%u\r\nProbe: %s\r\n\r\n";

		size = snprintf(request, sizeof(request), format, flow->address, flow->number, flow->nonce);
	}
	flow->how = "waiting";
	flow->answer = calloc(1, sizeof(*flow->answer));
	if (!flow->answer || epoll_ctl(events, EPOLL_CTL_MOD, flow->fd, &event) < 0)
		die("request");
	flow->answer->response.to_head = flow->head && !strncmp(flow->head, "HEAD ", 5);
	if (send(flow->fd, request, size, MSG_NOSIGNAL) < 0)
		refused(flow, errno);
}

static void hear_tcp(struct flow *flow)
{
	struct tcp_answer *answer = flow->answer;
	char *free_space;
	ssize_t got;
	enum progress progress;

	if (!answer) {
		int error = 0;
		socklen_t size = sizeof(error);

		getsockopt(flow->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error)
			refused(flow, error);
		else
			ask(flow);
		return;
	}
	free_space = answer->data + answer->used;
	got = recv(flow->fd, free_space, sizeof(answer->data) - answer->used, 0);
	if (got < 0) {
		if (errno != EAGAIN)
			refused(flow, errno);
		return;
	}
	progress = got ? response_take(&answer->response, free_space, got) : response_closed(&answer->response);
	answer->used += got;
	if (progress == WHOLE) {
		const char *body = (const char *)memmem(answer->data, answer->used, "\r\n\r\n", 4) + 4;

		answered(flow, answer->response.status, body, answer->data + answer->used - body);
	} else if (progress == NONSENSE && got == 0) {
		became(flow, "closed", flow->how);
	} else if (progress != PARTIAL || answer->used == sizeof(answer->data)) {
		became(flow, "nonsense", "answering");
	} else {
		flow->how = "answering";
	}
}

static void hear_udp(struct flow *flow)
{
	char data[2048];
	ssize_t got = recv(flow->fd, data, sizeof(data), 0), name = got - NONCE - 1;

	if (got < 0) {
		if (errno != EAGAIN)
			refused(flow, errno);
		return;
	}
	if (name < 0 || data[name] != '\n')
		answered(flow, 0, data, got);
	else if (!memcmp(data + name + 1, flow->nonce, NONCE))
		answered(flow, 0, data, name);
	/* else it answers an earlier datagram from the same port: nobody's business any more */
}

static void hear_icmp(struct flow *flow, bool failed)
{
	int error = failed ? icmp_error(flow->fd, flow->own) : 0;
	char data[2048];
	ssize_t got;

	if (error) {
		refused(flow, error);
		return;
	}
	/* A failure here is that of another socket's message: it is over with, too. */
	got = recv(flow->fd, data, sizeof(data), 0);
	if (got > 0 && icmp_answers(data, got, is6(flow), flow->nonce))
		answered(flow, 0, NULL, 0);
}

/* Whether anything was heard within `milliseconds`. */
static bool hear(int milliseconds)
{
	struct epoll_event heard[256];
	int number = epoll_wait(events, heard, 256, milliseconds);

	if (number < 0 && errno != EINTR)
		die("epoll_wait");
	for (int i = 0; i < number; i++) {
		struct flow *flow = heard[i].data.ptr;

		if (flow->protocol == TCP)
			hear_tcp(flow);
		else if (flow->protocol == UDP)
			hear_udp(flow);
		else
			hear_icmp(flow, heard[i].events & EPOLLERR);
	}
	if (number > 0)
		pulse_mark();
	return number > 0;
}

/* Hear until all flows have ended, or until it was silent for so many beats: also after them nothing lies there unread. */
static void hear_out(unsigned beats)
{
	while (left) {
		bool passed = pulse_passed(beats);

		if (!hear(passed ? 0 : BEAT_NS / 1000000) && passed)
			return;
	}
}

/* The bytes that `digits` stand for, to the line's end; they hold no 0. */
static bool head_read(struct flow *flow, const char *digits)
{
	unsigned byte;

	flow->head = malloc(strlen(digits) / 2 + 1);
	if (!flow->head)
		die("memory");
	for (; sscanf(digits, "%2x", &byte) == 1 && byte; digits += 2)
		flow->head[flow->head_size++] = byte;
	flow->head[flow->head_size] = '\0';
	return *digits == '\n';
}

static bool understood(struct flow *flow, const char *line)
{
	char protocol[5];
	int used = 0;

	if (sscanf(line, "%4s %45s %u %u %u %16s%n", protocol, flow->address, &flow->number, &flow->code, &flow->own, flow->nonce,
		   &used) != 6 || strlen(flow->nonce) != NONCE)
		return false;
	if (line[used] == ' ' && !head_read(flow, line + used + 1))
		return false;
	flow->fd = -1;
	flow->protocol = !strcmp(protocol, "tcp") ? TCP : !strcmp(protocol, "udp") ? UDP : ICMP;
	if (inet_pton(AF_INET6, flow->address, &flow->to.v6.sin6_addr) == 1)
		flow->to.v6.sin6_family = AF_INET6;
	else if (inet_pton(AF_INET, flow->address, &flow->to.v4.sin_addr) == 1)
		flow->to.v4.sin_family = AF_INET;
	else
		return false;
	flow->to.v4.sin_port = htons(flow->number);
	return flow->protocol != ICMP || flow->number == (is6(flow) ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
}

static bool flows_read(void)
{
	static char line[LINE_LIMIT];

	while (fgets(line, sizeof(line), stdin)) {
		if (count % 256 == 0)
			flows = realloc(flows, (count + 256) * sizeof(*flows));
		if (!flows)
			die("memory");
		flows[count] = (struct flow){};
		if (!understood(&flows[count], line)) {
			fprintf(stderr, "probe: line %u is not a flow that can be probed: %s", count + 1, line);
			return false;
		}
		count++;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	double silence;

	if ((argc != 2 && argc != 4) || (silence = atof(argv[1])) <= 0) {
		fputs("usage: probe SECONDS [UID GID] < FLOWS\n", stderr);
		return 2;
	}
	if (!flows_read())
		return 2;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (argc == 4 && (setgroups(0, NULL) || setgid((gid_t)atoi(argv[3])) || setuid((uid_t)atoi(argv[2]))))
		die("become another user");
	events = epoll_create1(EPOLL_CLOEXEC);
	if (events < 0 || !pulse_start())
		die("start");
	left = count;
	for (unsigned i = 0; i < count; i++) {
		begin(&flows[i]);
		if (i % AT_ONCE == AT_ONCE - 1) {
			pulse_mark();
			hear_out(0);
		}
	}
	pulse_mark();
	hear_out(silence * 1e9 / BEAT_NS);
	for (unsigned i = 0; i < count; i++) {
		struct flow *flow = &flows[i];

		if (flow->fd >= 0)
			became(flow, "silent", flow->how);
		if (flow->how)
			printf("%s %s %.6f -\n", flow->what, flow->how, flow->took);
		else
			printf("%s %u %.6f %s\n", flow->what, flow->status, flow->took, *flow->body ? flow->body : "-");
	}
	return 0;
}
