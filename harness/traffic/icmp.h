/* ICMP echo requests (RFC 792, RFC 4443: the layout is the same) over raw sockets that are connected. */
#ifndef ICMP_H
#define ICMP_H

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define NONCE 16	/* hexadecimal digits that tell this message from any other */

struct echo {
	struct icmphdr header;
	char nonce[NONCE];
};

/* RFC 1071 */
static uint16_t icmp_checksum(const void *data, size_t size)
{
	const uint8_t *byte = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? byte[i] : byte[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static struct echo icmp_request(bool v6, uint8_t type, uint8_t code, uint16_t identifier, const char *nonce)
{
	struct echo echo = {.header = {.type = type, .code = code, .un.echo = {htons(identifier), htons(1)}}};

	memcpy(echo.nonce, nonce, NONCE);
	if (!v6)	/* the kernel computes ICMPv6's */
		echo.header.checksum = icmp_checksum(&echo, sizeof(echo));
	return echo;
}

/* Spare the socket everything else that comes in. */
static void icmp_only_replies(int fd, bool v6)
{
	struct icmp_filter replies4 = {.data = ~(1U << ICMP_ECHOREPLY)};
	struct icmp6_filter replies6;

	ICMP6_FILTER_SETBLOCKALL(&replies6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &replies6);
	if (v6)
		setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &replies6, sizeof(replies6));
	else
		setsockopt(fd, SOL_RAW, ICMP_FILTER, &replies4, sizeof(replies4));
}

/* Whether what came is the reply that repeats `nonce`; raw IPv4 sockets hand over the IP header too. */
static bool icmp_answers(const char *data, size_t size, bool v6, const char *nonce)
{
	size_t head = v6 ? 0 : (data[0] & 15) * 4;

	return size == head + sizeof(struct echo) && !memcmp(data + head + offsetof(struct echo, nonce), nonce, NONCE);
}

/*
 * The next ICMP error that the socket was told of, as an error number, or 0 where it is not about the message with
 * `identifier`: the kernel tells every socket that is connected to an address of all errors about messages to it.
 */
static int icmp_error(int fd, uint16_t identifier)
{
	struct icmphdr about = {};
	union {
		struct cmsghdr align;
		char data[512];
	} control;
	struct iovec space = {&about, sizeof(about)};
	struct msghdr message = {.msg_iov = &space, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(fd, &message, MSG_ERRQUEUE);

	if (got < (ssize_t)sizeof(about) || about.un.echo.id != htons(identifier))
		return 0;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part))
		if ((part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR) ||
		    (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR))
			return ((struct sock_extended_err *)CMSG_DATA(part))->ee_errno;
	return 0;
}

#endif
