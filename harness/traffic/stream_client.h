/* The client of a stream: it sends, hears what comes back, and opens a TCP connection again that ended. */
#ifndef STREAM_CLIENT_H
#define STREAM_CLIENT_H

struct client {
	struct channel channel;
	bool tcp, established;
	uint32_t stream;
	union address server, own;
	socklen_t length;
	uint64_t number, attempted;
};

static uint64_t lost(const struct client *client)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	if (!client->tcp || getsockopt(client->channel.socket, IPPROTO_TCP, TCP_INFO, &info, &size))
		return 0;
	return info.tcpi_total_retrans > info.tcpi_dsack_dups ? info.tcpi_total_retrans - info.tcpi_dsack_dups : 0;
}

static void end(struct client *client, int error)
{
	struct message why = {MAGIC, client->stream, error, 0};
	struct linger at_once = {1, 0};

	if (client->established)
		note(ENDED, &why, lost(client));
	setsockopt(client->channel.socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(client->channel.socket);
	client->channel = (struct channel){.socket = -1};
	client->established = false;
}

static void begin(struct client *client)
{
	int family = client->server.any.sa_family;
	struct message attempt = {MAGIC, client->stream, 0, now()};

	client->attempted = now();
	client->channel.socket = socket(family, (client->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	if (client->channel.socket < 0)
		diary_fail("socket");
	prepare(client->channel.socket);
	if (bind(client->channel.socket, &client->own.any, client->length))
		diary_fail("bind");
	if (connect(client->channel.socket, &client->server.any, client->length) && errno != EINPROGRESS) {
		if (!client->tcp)
			diary_fail("connect");
		end(client, errno);
	}
	if (!client->tcp)
		client->established = true;
	else
		note(ATTEMPTED, &attempt, 0);
}

static void look(struct client *client)
{
	int error = 0;
	socklen_t size = sizeof(error);
	struct message opened = {MAGIC, client->stream, 0, 0};
	union address peer;
	socklen_t length = sizeof(peer);

	getsockopt(client->channel.socket, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		end(client, error);
	} else if (!getpeername(client->channel.socket, &peer.any, &length)) {
		client->established = true;
		note(OPENED, &opened, 0);
	}
}

static void push(struct client *client)
{
	struct channel *channel = &client->channel;
	char *from = (char *)(&channel->out + 1) - channel->pending;
	ssize_t done = send(channel->socket, from, channel->pending, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (done >= 0)
		channel->pending -= done;
	else if (!client->tcp)
		channel->pending = 0; /* an ICMP error about an earlier one: this one is as lost as that */
	else if (errno != EAGAIN)
		end(client, errno);
}

static void speak(struct client *client)
{
	struct channel *channel = &client->channel;

	if (client->tcp && channel->pending) {
		push(client);
		return;
	}
	channel->out = (struct message){MAGIC, client->stream, ++client->number, now()};
	channel->pending = sizeof(channel->out);
	note(SENT, &channel->out, 0);
	push(client);
}

static void listen_to(struct client *client)
{
	struct channel *channel = &client->channel;

	while (channel->socket >= 0) {
		char *to = (char *)&channel->message + channel->have;
		ssize_t got = recv(channel->socket, to, sizeof(channel->message) - channel->have, MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN)
			return;
		if (client->tcp && got <= 0) {
			end(client, got ? errno : 0);
			return;
		}
		if (got <= 0)
			continue; /* an ICMP error */
		channel->have = client->tcp ? channel->have + got : (size_t)got;
		if (channel->have == sizeof(channel->message)) {
			if (channel->message.magic == MAGIC && channel->message.stream == client->stream)
				note(ANSWERED, &channel->message, lost(client));
			channel->have = 0;
		} else if (!client->tcp) {
			channel->have = 0;
		}
	}
}

static _Noreturn void run_client(char **argv)
{
	struct client client = {.channel = {.socket = -1}, .stream = atoi(argv[3]), .tcp = !strcmp(argv[4], "tcp")};
	uint64_t next = now();

	client.length = parse(&client.server, argv[5], atoi(argv[6]));
	parse(&client.own, client.length == sizeof(client.own.v4) ? "0.0.0.0" : "::", atoi(argv[7]));
	for (;;) {
		uint64_t time = now();
		struct pollfd wait = {client.channel.socket, POLLIN | (client.established ? 0 : POLLOUT), 0};
		struct timespec left = {0, next > time ? (long)(next - time) : 0};
		struct message none = {MAGIC, client.stream, 0, 0};

		if (client.channel.socket < 0 && time - client.attempted >= RETRY_NS)
			begin(&client);
		else if (client.channel.socket >= 0 && !client.established && time - client.attempted >= CONNECT_NS)
			end(&client, ETIMEDOUT);
		wait.fd = client.channel.socket;
		if (ppoll(&wait, 1, &left, NULL) > 0) {
			if (!client.established)
				look(&client);
			if (client.established)
				listen_to(&client);
		}
		if (marking) {
			marking = 0;
			if (client.established)
				listen_to(&client);
			note(MARKED, &none, lost(&client));
		}
		if (now() >= next) {
			if (client.established)
				speak(&client);
			next = now() + PERIOD_NS; /* what was missed is not made up for: no bursts */
		}
	}
}

#endif
