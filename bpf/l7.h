/* SPDX-License-Identifier: Dual BSD/GPL
 * What the fast path knows of connections whose requests are judged, and of those that it keeps open to backends.
 */
#pragma once

#include "conntrack.h"
#include "reading.h"
#include "stream.h"

/*
 * What became of requests and connections. One a line, its comment is what users read: harness/mesh/l7.py takes
 * names and comments from this file.
 */
enum l7_count {
	L7_FAST = 0, /* requests that went to their backend in the kernel */
	L7_SLOW_STRANGE = 1, /* to the proxy: nobody but it can say where the request ends */
	L7_SLOW_UNFRAMED = 2, /* to the proxy: the connection had sent what the kernel does not understand */
	L7_SLOW_NO_TARGET = 3, /* to the proxy: no rule of the connection is one that the kernel can judge by */
	L7_SLOW_NOT_ALLOWED = 4, /* to the proxy: none of the rules that the kernel can judge by allows it */
	L7_SLOW_NO_UPSTREAM = 5, /* to the proxy: no connection to the backend was free */
	L7_SLOW_UNACCEPTED = 6, /* to the proxy: it had not taken the connection yet */
	L7_HELD = 7, /* packets held back until the request before them was answered */
	L7_RELAYED = 8, /* responses that the agent passed on */
	L7_LOST = 9, /* requests whose backend, or agent, went away before it was answered whole */
	L7_DIRECT_ASKED = 10, /* requests that went into the backend's own socket */
	L7_DIRECT_ANSWERED = 11, /* answers that the backend's own socket sent to the client's, or to the proxy's */
	L7_ENTERED = 12, /* sockets of pods that joined */
	L7_SLOW_IN_PIECES = 13, /* to the proxy: it was sent in several pieces, or is long */
	L7_ROUTED = 14, /* requests to Services, of the fast ones */
	L7_SLOW_ROUTE_MATCH = 15, /* to the proxy: a route may mean it by an expression, a parameter, or else what the kernel cannot ask */
	L7_SLOW_ROUTE_FILTER = 16, /* to the proxy: its route has filters */
	L7_SLOW_ROUTE_TIMES = 17, /* to the proxy: its route has time limits or retries, or is under a traffic policy */
	L7_SLOW_ROUTE_ANSWERED = 18, /* to the proxy: it has, or may have, no backend */
	L7_SLOW_ROUTE_REFUSED = 19, /* to the proxy: policies may keep it from a backend of its route */
	L7_SLOW_ROUTE_OWN = 20, /* to the proxy: its client is a backend of its route */
	L7_SLOW_ROUTE_LARGE = 21, /* to the proxy: its path, or its route, is larger than the kernel takes */
	L7_SLOW_ODD = 22, /* to the proxy: it has something that the kernel does not judge, as chunks, TE, or escapes in its path */
	L7_FLOWS_LOST = 23, /* flow events that found their ring full */
	L7_RELAYED_FULL = 24, /* responses that the agent passed on since clients had not read as much of others as a node may hold */
	L7_COUNTS
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, L7_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} l7_counts SEC(".maps");

static __always_inline void l7_count(__u32 what)
{
	__u64 *count = bpf_map_lookup_elem(&l7_counts, &what);

	if (count)
		__sync_fetch_and_add(count, 1); /* programs of sockets are interrupted by those of packets */
}

/* A connection from its client to the backend that it means. */
struct l7_tuple {
	struct address client;
	struct address backend;
	__be16 client_port;
	__be16 backend_port;
	__u32 family;
};

enum l7_state {
	L7_IDLE, /* every request has been answered */
	L7_ASKED, /* a request that was understood is on its way to the proxy's socket */
	L7_FORWARDED, /* ... and has gone to a backend from there */
	L7_PROXIED, /* ... or to the proxy, whose answer is awaited */
	L7_UNFRAMED, /* nobody here knows any more where a request begins: the proxy's, for life */
};

/* What follows of a request after all that is known of it. */
enum l7_rest {
	REST_NOTHING,
	REST_HEAD, /* more of its head */
	REST_CHUNKS, /* the size of a chunk */
};

/* Where in a chunk's size the next byte stands. */
enum size_state {
	SIZE_DIGIT,
	SIZE_LINE_FEED,
	SIZE_LAST_LINE_FEED, /* of the size 0 */
	SIZE_NO_TRAILER,
	SIZE_END_LINE_FEED,
	SIZE_READ, /* the chunk follows */
	SIZE_OVER, /* that was the last one */
	SIZE_ODD, /* not of this grammar */
};

/* The size of a chunk, as far as it has been read. */
struct chunk_size {
	__u32 value;
	__u8 digits;
	__u8 state; /* enum size_state */
};

#define SEEN_BYTES 256

struct l7_connection {
	__u64 socket; /* the proxy's struct tcp_sock */
	__u64 cookie; /* of that socket */
	__u64 upstream; /* cookie of the connection that answers */
	__u32 state; /* enum l7_state */
	__u32 request; /* sequence number at which the request begins */
	__u32 request_bytes; /* as many as are known to be of it, also where they are still to come */
	__u32 rest; /* enum l7_rest */
	/*
	 * Sequence number of the proxy's socket after the answer, once its head has been read. Absolute, since bytes cannot be
	 * counted: after a send that was cut short the kernel does not show the next one to programs.
	 */
	__u32 answered;
	__u32 framed; /* `answered` is that of the request in progress */
	__u32 chunked; /* ... or of the size of the answer's next chunk */
	__u32 allowed; /* generation by which the kernel allows the request, or 0 */
	__u32 judged; /* generation by which the connection itself is allowed, or 0 */
	__u32 relayed; /* the agent writes the answer, and says when it has */
	__u32 head_request; /* the answer has no body */
	__u32 listens; /* the proxy's socket is in l7_listening */
	__u32 owed; /* bytes of answers that went into the proxy's socket, and are not known to have come out of it */
	__u32 owed_direct; /* ... into the client's own, and are not known to be read */
	__u64 asker; /* the client's own struct tcp_sock, 0 until it has asked directly */
	__u64 asker_cookie;
	struct chunk_size size; /* of the request's next chunk */
	struct chunk_size answer_size;
	struct head head; /* as far as it has been read, while there is more of it */
	__u32 seen_bytes; /* of the request that l7_look has allowed, where these are all of `seen`; else 0 */
	__u64 seen[SEEN_BYTES / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct l7_tuple);
	__type(value, struct l7_connection);
} l7_connections SEC(".maps");

/* The proxy's sockets towards clients, and the agent's towards backends, by cookie: what goes into them is followed. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, __u64);
} l7_sockets SEC(".maps");

/* The agent's: what comes to them is read before it is. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, __u64);
} l7_answering SEC(".maps");

/*
 * Of the proxy's, those whose requests the kernel sends on: what comes to them does not wake the proxy. What is to be read
 * by the proxy must not come to a socket that is here, so that it leaves before (l7_listen.h).
 */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, __u64);
} l7_listening SEC(".maps");

/* Whose requests the kernel may judge: clients of a backend. */
struct l7_pair {
	struct address client;
	struct address backend;
	__be16 backend_port;
	__u16 family;
};

#define L7_SLOTS 64

/* What the agent has said of a pair. */
enum l7_knowledge {
	TARGET_ASKED, /* nothing yet */
	TARGET_JUDGED, /* requests are judged by the sets */
	TARGET_PROXIED, /* its rules are for the proxy alone */
	TARGET_ROUTED, /* it is a Service: by sets[0], a table of routes; sets[1] says whether these ask for headers */
};

struct l7_target {
	__u32 generation;
	__u32 sets[2]; /* of rules, by direction; 0: every request */
	__u32 known; /* enum l7_knowledge */
	__u32 wanted; /* connections are missing, and the agent knows */
	__u32 pad;
	__u64 idle[L7_SLOTS]; /* cookies of connections to the backend, 0 for none */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 14);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct l7_pair);
	__type(value, struct l7_target);
} l7_targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rule_key);
	__type(value, __u32);
} l7_rules SEC(".maps");

enum l7_upstream_state {
	UPSTREAM_IDLE,
	UPSTREAM_ASKED, /* the head of a response is to come */
	UPSTREAM_ANSWERS, /* the rest of its body is */
	UPSTREAM_RELAYED, /* the agent reads this response */
	UPSTREAM_ORPHAN, /* nobody waits for it any more */
	UPSTREAM_FINISHES, /* the agent has read this response, and writes its last bytes */
};

#define L7_FLOW_PATH 96 /* bytes of a path that an event has */

/* What is told of a request (l7_flow.h). */
struct l7_flow {
	__u64 time; /* of the request, in ns of CLOCK_MONOTONIC */
	__u64 latency; /* ns until its answer began, or was known not to come */
	struct l7_tuple tuple;
	__u64 method; /* its bytes */
	__u16 status; /* 0: not known */
	__u16 path_bytes; /* of the whole path and query */
	__u16 slow; /* enum l7_count: L7_FAST, or why it goes to the proxy: then all that is known is when, and of which connection */
	__u16 ways; /* enum l7_way */
	__u8 path[L7_FLOW_PATH];
};

/* How the answer in progress comes from its backend. */
enum l7_answer {
	ANSWER_UNKNOWN, /* it has not begun */
	ANSWER_DIRECT, /* the backend's socket sends it on */
	ANSWER_BY_TCP, /* ... or it comes to the agent's, at least its end */
};

struct l7_upstream {
	struct l7_tuple client;
	__u64 cookie; /* of the proxy's socket that the answer is for */
	__u32 state; /* enum l7_upstream_state */
	__u32 left; /* bytes of the body */
	__u32 direct; /* enum l7_answer */
	__u32 total; /* bytes of the answer; where the agent finishes it, the sequence number of its end */
	struct l7_pair pair;
	__u32 head_request;
	__u64 socket; /* the agent's struct tcp_sock, 0 where it is not known */
	__u64 server; /* the backend's struct tcp_sock, 0 until it has entered */
	__u64 server_cookie;
	__u32 to_client; /* the answer is for the client's own socket, not for the proxy's */
	__u32 generation; /* in which it was opened: other policies may have it end elsewhere */
#ifdef L7_FLOW_RING
	struct l7_flow flow; /* of the request that it was taken for last */
	__u32 untold; /* no event has told of it */
#endif
};

/* The agent's connections by name, for the backend's side of them; value: cookie of the agent's socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct l7_tuple);
	__type(value, __u64);
} l7_named SEC(".maps");

/* Clients' and backends' own sockets that have entered, by cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, __u64);
} l7_ends SEC(".maps");

enum l7_role {
	ROLE_UNKNOWN,
	ROLE_CLIENT,
	ROLE_SERVER,
};

struct l7_end {
	struct l7_tuple tuple;
	__u64 cookie; /* of this socket */
	__u64 upstream; /* of a server: cookie of the agent's socket */
	__u32 role; /* enum l7_role, set once it has entered */
	__u32 tries;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct l7_end);
} l7_storage SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct l7_upstream);
} l7_upstreams SEC(".maps");

/* To the agent: nothing is known of a pair, connections are missing, a response is its to relay, a connection of its is of no more use. */
enum l7_event_kind {
	L7_UNKNOWN,
	L7_WANTED,
	L7_RELAY,
	L7_CLOSE,
};

struct l7_event {
	struct l7_pair pair;
	__u32 kind;
	__u64 about; /* cookie of its connection; of the first two kinds, the generation by which the request was judged */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} l7_events SEC(".maps");

static __always_inline void l7_tell(__u32 kind, const struct l7_pair *pair, __u64 about)
{
	struct l7_event *event = bpf_ringbuf_reserve(&l7_events, sizeof(*event), 0);

	if (!event)
		return;
	event->pair = *pair;
	event->kind = kind;
	event->about = about;
	bpf_ringbuf_submit(event, 0);
}

static __always_inline void pair_of(const struct l7_tuple *tuple, struct l7_pair *pair)
{
	pair->client = tuple->client;
	pair->backend = tuple->backend;
	pair->backend_port = tuple->backend_port;
	pair->family = tuple->family;
}

/* Asks the agent about a pair of which nothing is known under a generation. `target` is what was known before, if anything was. */
static __always_inline void ask_of(struct l7_target *target, const struct l7_pair *pair, __u32 generation)
{
	if (target && target->known == TARGET_ASKED)
		return;
	if (target)
		target->known = TARGET_ASKED;
	l7_tell(L7_UNKNOWN, pair, generation);
}
