/*
 * requests: requests of HTTP/1.1, each asked over and over, and their answers as they came.
 *
 *     requests SECONDS < REQUESTS
 *
 * A line for each request: ADDRESS PORT TIMES TOGETHER AFTER NONCE HEAD. HEAD, in hexadecimal, is all of its head but the last
 * lines; a header "Probe: NONCE" and an empty line end it. NONCE, 16 digits, is one more each time. With TOGETHER 0 all times go
 * over one connection: a request is asked again when its last answer has come, and not once its connection is closed. With 1
 * each goes over one of its own, PACE_NS after the one before it, whether that is answered or not. It is first asked AFTER
 * milliseconds later than it could be.
 * Prints a line for each time, in order: END, when it was sent and when that came, in microseconds of CLOCK_MONOTONIC, and what
 * came, in hexadecimal, or - for nothing. END is answered, silent (nothing came for SECONDS, as pulse.h counts them), closed, or
 * an error's name such as ECONNREFUSED.
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
#define TOGETHER_LIMIT 128
#define PACE_NS 5000000ull	/* so that two proxies' threads do not decide about two requests in one moment */

/* One time that a request is asked. */
struct asking {
	const char *end;	/* how it ended, NULL until then */
	uint64_t began, ended;	/* us */
	size_t sent, size, used;
	int fd;
	char tail[64];
	char came[ROOM];
};

static struct asking askings[TOGETHER_LIMIT];
static char head[REQUEST_LIMIT];
static size_t head_size;
static unsigned beats;

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

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
static bool answered(struct asking *asking, bool bodiless)
{
	char *at = asking->came, *all = at + asking->used, *end;

	while ((end = memmem(at, all - at, "\r\n\r\n", 4))) {
		int status = !strncmp(at, "HTTP/1.", strlen("HTTP/1.")) ? atoi(at + strlen("HTTP/1.1 ")) : 0;

		end += 4;
		if (status && status < FINAL) {
			at = end;
			continue;
		}
		if (bodiless || status == 204 || status == 304)
			return true;
		if (is_chunked(at, end))
			return chunks_size(end, all) > 0;
		return header(at, end, "content-length") && (size_t)(all - end) >= told_size(at, end);
	}
	return false;
}

/* Begin to ask over `fd`. */
static void begin(struct asking *asking, int fd, uint64_t nonce)
{
	asking->fd = fd;
	asking->end = NULL;
	asking->sent = asking->used = 0;
	asking->size = snprintf(asking->tail, sizeof(asking->tail), "Probe: %016" PRIx64 "\r\n\r\n", nonce);
	asking->began = asking->ended = now() / 1000;
	pulse_mark();
}

static void finish(struct asking *asking, const char *end)
{
	asking->end = end;
	asking->ended = now() / 1000;
}

/* Send what can be sent of the head and the lines that end it, in one piece where that goes. */
static void send_some(struct asking *asking)
{
	size_t tail = asking->sent > head_size ? asking->sent - head_size : 0, whole = head_size - (asking->sent - tail);
	struct iovec parts[] = {{head + head_size - whole, whole}, {asking->tail + tail, asking->size - tail}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t got = sendmsg(asking->fd, &message, MSG_NOSIGNAL);

	if (got > 0)
		asking->sent += got;
	else if (errno != EAGAIN && errno != EPIPE)
		finish(asking, named(errno));
	pulse_mark();
}

static void read_some(struct asking *asking, bool bodiless)
{
	ssize_t got;

	if (asking->used == ROOM) {
		finish(asking, "toolong");
		return;
	}
	got = recv(asking->fd, asking->came + asking->used, ROOM - asking->used, 0);
	if (got > 0) {
		asking->used += got;
		pulse_mark();
		if (answered(asking, bodiless))
			finish(asking, "answered");
	} else if (got == 0) {
		finish(asking, "closed");
	} else if (errno != EAGAIN) {
		finish(asking, named(errno));
	}
}

/* Wait for what can be sent or read of `count` askings, until the time `until` (ns; 0: for a beat). False where all are silent. */
static bool attend(unsigned count, uint64_t until, bool bodiless)
{
	struct pollfd ready[TOGETHER_LIMIT];
	bool passed = pulse_passed(beats);
	int64_t left = until ? (int64_t)(until - now()) / 1000000 : BEAT_NS / 1000000;

	for (unsigned i = 0; i < count; i++) {
		struct asking *asking = &askings[i];
		bool sends = asking->sent < head_size + asking->size;

		ready[i] = (struct pollfd){.fd = asking->end ? -1 : asking->fd, .events = sends ? POLLIN | POLLOUT : POLLIN};
	}
	if (poll(ready, count, passed || left < 0 ? 0 : (int)left) == 0)
		return !passed;
	for (unsigned i = 0; i < count; i++) {
		struct asking *asking = &askings[i];

		if (ready[i].fd < 0)
			continue;
		if (ready[i].revents & POLLOUT && asking->sent < head_size + asking->size)
			send_some(asking);
		if (!asking->end && ready[i].revents & ~POLLOUT)
			read_some(asking, bodiless);
	}
	return true;
}

static bool all_ended(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!askings[i].end)
			return false;
	return true;
}

/* Attend to all `count` askings until each has ended. */
static void attend_all(unsigned count, bool bodiless)
{
	while (!all_ended(count))
		if (!attend(count, 0, bodiless))
			for (unsigned i = 0; i < count; i++)
				if (!askings[i].end)
					finish(&askings[i], "silent");
}

static void told(const struct asking *asking)
{
	printf("%s %" PRIu64 " %" PRIu64 " ", asking->end, asking->began, asking->ended);
	for (size_t i = 0; i < asking->used; i++)
		printf("%02x", (unsigned char)asking->came[i]);
	puts(asking->used ? "" : "-");
}

static void ask_in_turn(const char *address, unsigned port, unsigned times, uint64_t nonce, bool bodiless)
{
	struct asking *asking = &askings[0];
	int fd = opened(address, port);

	for (unsigned i = 0; i < times; i++) {
		if (!i || !strcmp(asking->end, "answered")) {
			begin(asking, fd, nonce + i);
			attend_all(1, bodiless);
		} else {
			asking->used = 0;
		}
		told(asking);
	}
	close(fd);
}

static void ask_together(const char *address, unsigned port, unsigned times, uint64_t nonce, bool bodiless)
{
	for (unsigned i = 0; i < times; i++) {
		uint64_t next = now() + PACE_NS;

		begin(&askings[i], opened(address, port), nonce + i);
		while (now() < next)
			attend(i + 1, next, bodiless);
	}
	attend_all(times, bodiless);
	for (unsigned i = 0; i < times; i++) {
		told(&askings[i]);
		close(askings[i].fd);
	}
}

/* Let so many milliseconds go by. */
static void pass(unsigned milliseconds)
{
	uint64_t until = now() + milliseconds * 1000000ull;

	while (now() < until)
		poll(NULL, 0, (int)((until - now()) / 1000000) + 1);
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
	unsigned port, times, together, after;
	uint64_t nonce;

	if (argc != 2 || atof(argv[1]) <= 0) {
		fputs("usage: requests SECONDS < REQUESTS\n", stderr);
		return 2;
	}
	beats = atof(argv[1]) * 1e9 / BEAT_NS;
	if (!pulse_start())
		die("start");
	while (fgets(line, sizeof(line), stdin)) {
		int found = sscanf(line, "%45s %u %u %u %u %" SCNx64 " %s", address, &port, &times, &together, &after, &nonce, digits);
		bool bodiless;

		if (found != 7 || !head_read(digits) || (together && times > TOGETHER_LIMIT)) {
			fprintf(stderr, "requests: no request: %s", line);
			return 2;
		}
		bodiless = !strncmp(head, "HEAD ", strlen("HEAD "));
		pass(after);
		if (together)
			ask_together(address, port, times, nonce, bodiless);
		else
			ask_in_turn(address, port, times, nonce, bodiless);
	}
	return 0;
}
