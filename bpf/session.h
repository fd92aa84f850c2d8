/* SPDX-License-Identifier: Dual BSD/GPL
 * What the same-node path knows of each TCP socket, and the paths that its data may take.
 */
#pragma once

#include "conntrack.h"

/*
 * Which way a message went, and why. One path a line, its comment is what users read: harness/mesh/sockmap.py
 * takes names and comments from this file.
 */
enum send_path {
	PATH_REDIRECTED = 0, /* into the peer's socket */
	PATH_DETACHED = 1, /* by TCP: the mesh was detached from this node */
	PATH_PEER_ABSENT = 2, /* by TCP: the peer's socket has not entered, or has closed */
	PATH_PEER_BLOCKING = 3, /* by TCP: the peer's socket was made blocking */
	PATH_SPECIAL = 4, /* by TCP: one of the sockets was given kernel TLS, a low-water mark or MSG_ZEROCOPY */
	PATH_ORDER = 5, /* by TCP: bytes sent by TCP are still on their way */
	PATH_QUEUE_FULL = 6, /* by TCP: the peer has too much left to read */
	PATH_POLICY = 7, /* by TCP: the packet programs have to judge the connection under the present policy */
	PATHS
};

struct path_count {
	__u64 messages;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PATHS);
	__type(key, __u32);
	__type(value, struct path_count);
} paths SEC(".maps");

/* What became of sockets; named for users as paths are. */
enum census {
	SOCKETS_ENTERED = 0, /* sockets that joined the same-node path */
	SOCKETS_REFUSED = 1, /* sockets that the kernel did not let join: closing, the table full, or in another table */
	SEGMENTS_TRIMMED = 2, /* TCP segments that began with bytes which had been read already */
	SEGMENTS_UNTRIMMED = 3, /* of those, the ones that could not be cut for want of memory: a corrupt stream */
	CENSUS
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CENSUS);
	__type(key, __u32);
	__type(value, __u64);
} census SEC(".maps");

struct session {
	struct packet flow; /* one of this socket's packets: what conntrack is asked about */
	__u64 cookie; /* of this socket */
	__u64 peer; /* the other end's struct tcp_sock */
	__u64 peer_cookie; /* tells whether `peer` is still that socket */
	__u32 packets; /* TCP packets seen while undecided */
	__u32 burst; /* messages redirected since the peer's queue was last seen empty */
	__u32 settled; /* in the table, or never to be */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct session);
} sessions SEC(".maps");

/* The sockets of this node between which messages may be redirected, by cookie: a cookie is never used twice. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, __u64);
} sockets SEC(".maps");

struct socket_name {
	__u64 socket; /* struct tcp_sock */
	__u64 cookie;
};

struct connection_end {
	struct address address[2]; /* of this end, of the other */
	__be16 port[2];
	__u32 family;
};

/* Where the ends of a connection find each other. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct connection_end);
	__type(value, struct socket_name);
} rendezvous SEC(".maps");

/* The end that a packet comes from, or goes to. */
static __always_inline void name_end(struct connection_end *end, const struct packet *p, bool source)
{
	end->address[0] = source ? p->source : p->destination;
	end->address[1] = source ? p->destination : p->source;
	end->port[0] = source ? p->source_port : p->destination_port;
	end->port[1] = source ? p->destination_port : p->source_port;
	end->family = p->family;
}

static __always_inline void count_path(__u32 path, __u32 bytes)
{
	struct path_count *count = bpf_map_lookup_elem(&paths, &path);

	if (count) {
		count->messages += 1;
		count->bytes += bytes;
	}
}

static __always_inline void count_census(__u32 what)
{
	__u64 *count = bpf_map_lookup_elem(&census, &what);

	if (count)
		*count += 1;
}
