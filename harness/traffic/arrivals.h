/*
 * What comes in at a pod's interface, before the pod's own kernel judges it: the first packet of whatever somebody begins
 * (a SYN, a datagram, an echo request), each written into the diary once.
 */
#ifndef ARRIVALS_H
#define ARRIVALS_H

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ROOM (4 << 20)	/* bytes of packets that wait to be read */

enum kind { FRAME = 1, REQUEST = 2, DATAGRAM = 3, MARKED = 4, LOST = 5 };

struct record {
	uint32_t kind;
	uint16_t family;	/* 4 or 6 */
	uint16_t protocol;	/* IPPROTO_ */
	uint16_t source_port;
	uint16_t port;		/* of the destination; of ICMP the message's type */
	uint32_t lost;		/* packets of which only this number is known */
	uint8_t source[16], destination[16];
	uint64_t nonce;		/* as a request or a datagram says; 0 where it says nothing */
	uint64_t time;
};

#include "diary.h"

#define PASS 0x40000	/* longer than any packet */
#define LOAD(size, offset) BPF_STMT(BPF_LD | (size) | BPF_ABS, offset)
#define LOAD_X(size, offset) BPF_STMT(BPF_LD | (size) | BPF_IND, offset)
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define SYN 0x02
#define UDP_HEADER 8
#define SYN_ACK 0x12

/* From the IP header on. A later fragment begins nothing. */
static struct sock_filter begins4[] = {
	LOAD(BPF_H, 6),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, IP_OFFMASK, 10, 0),
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	LOAD(BPF_B, 9),
	IF(IPPROTO_UDP, 8, 0),
	IF(IPPROTO_TCP, 0, 3),
	LOAD_X(BPF_B, 13),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN_ACK),
	IF(SYN, 4, 3),
	IF(IPPROTO_ICMP, 0, 2),
	LOAD_X(BPF_B, 0),
	IF(8 /* echo request */, 1, 0),
	RETURN(0),
	RETURN(PASS),
};

static struct sock_filter begins6[] = {
	LOAD(BPF_B, 6),
	IF(IPPROTO_UDP, 8, 0),
	IF(IPPROTO_TCP, 0, 3),
	LOAD(BPF_B, 40 + 13),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN_ACK),
	IF(SYN, 4, 3),
	IF(IPPROTO_ICMPV6, 0, 2),
	LOAD(BPF_B, 40),
	IF(128 /* echo request */, 1, 0),
	RETURN(0),
	RETURN(PASS),
};

/* A socket that hears what comes in over one version of IP, and nothing that leaves. */
static int arrivals_open(const char *interface, uint16_t protocol)
{
	bool six = protocol == ETH_P_IPV6;
	struct sock_fprog filter = {six ? sizeof(begins6) / sizeof(*begins6) : sizeof(begins4) / sizeof(*begins4), six ? begins6 : begins4};
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = if_nametoindex(interface)};
	int room = ROOM, fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* It hears nothing before it is bound, so that nothing comes through before the filter. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) || bind(fd, (void *)&where, sizeof(where)))
		diary_fail(interface);
	return fd;
}

static uint16_t two_bytes(const uint8_t *from)
{
	return from[0] << 8 | from[1];
}

static void arrivals_note(const uint8_t *packet, size_t size)
{
	struct record *record = diary_next();
	size_t header;

	*record = (struct record){.kind = FRAME, .family = packet[0] >> 4, .time = now()};
	if (record->family == 4 && size >= sizeof(struct iphdr)) {
		header = (packet[0] & 15) * 4;
		record->protocol = packet[9];
		memcpy(record->source, packet + 12, 4);
		memcpy(record->destination, packet + 16, 4);
	} else if (record->family == 6 && size >= sizeof(struct ip6_hdr)) {
		header = sizeof(struct ip6_hdr);
		record->protocol = packet[6];
		memcpy(record->source, packet + 8, 16);
		memcpy(record->destination, packet + 24, 16);
	} else {
		return;
	}
	if (size < header + 4)
		return;
	if (record->protocol == IPPROTO_UDP && size > header + UDP_HEADER) {
		char says[17] = "";

		memcpy(says, packet + header + UDP_HEADER, size - header - UDP_HEADER < 16 ? size - header - UDP_HEADER : 16);
		record->nonce = strtoull(says, NULL, 16);
	}
	if (record->protocol == IPPROTO_TCP || record->protocol == IPPROTO_UDP) {
		record->source_port = two_bytes(packet + header);
		record->port = two_bytes(packet + header + 2);
	} else {
		record->port = packet[header];
	}
	diary_wrote();
}

/* Write down all that waits to be read, and how many packets found no room. */
static void arrivals_read(int fd)
{
	uint8_t packet[128];
	struct tpacket_stats counts = {};
	socklen_t length = sizeof(counts);
	ssize_t got;

	while ((got = recv(fd, packet, sizeof(packet), 0)) > 0)
		arrivals_note(packet, got);
	if (!getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &counts, &length) && counts.tp_drops) {
		*diary_next() = (struct record){.kind = LOST, .lost = counts.tp_drops, .time = now()};
		diary_wrote();
	}
}

#endif
