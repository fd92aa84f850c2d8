/* SPDX-License-Identifier: Dual BSD/GPL
 * An event for each request that a program has seen, where they are asked for: the object is then compiled with
 * L7_FLOW_RING, the size of their ring in bytes. Else all of this is nothing.
 *
 * One that goes fast has its event when its answer begins, so one event says all there is to say of it. Of one that goes to
 * the proxy only the reason is told here: the rest is in the proxy's own log, in the same order on each connection.
 */
#pragma once

#include "l7.h"

/* How a request went that the proxy did not see. One a line, its comment is what users read: harness/mesh/l7flows.py. */
enum l7_way {
	WAY_CLIENT = 1, /* the client's own socket takes part */
	WAY_ASKED = 2, /* the request went into the backend's own socket */
	WAY_ANSWERED = 4, /* the answer comes from there */
	WAY_RELAYED = 8, /* the agent passes the answer on */
	WAY_LOST = 16, /* the backend, or the agent, went away before an answer */
	WAY_GONE = 32, /* the client went away before an answer */
};

#ifdef L7_FLOW_RING

/* No process is woken by an event: the agent looks ten times a second. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, L7_FLOW_RING);
} l7_flows SEC(".maps");

static __always_inline void flow_tell(const struct l7_flow *flow)
{
	if (bpf_ringbuf_output(&l7_flows, (void *)flow, sizeof(*flow), BPF_RB_NO_WAKEUP))
		l7_count(L7_FLOWS_LOST);
}

/* A connection was taken for the request in `r`. */
static __always_inline void flow_asked(struct l7_upstream *upstream, const struct reading *r)
{
	struct l7_flow *flow = &upstream->flow;

	flow->time = bpf_ktime_get_ns();
	flow->latency = 0;
	flow->tuple = upstream->client;
	flow->method = r->head.method;
	flow->status = 0;
	flow->path_bytes = r->head.target_bytes;
	flow->slow = L7_FAST;
	flow->ways = upstream->to_client ? WAY_CLIENT : 0;
	bpf_probe_read_kernel(flow->path, L7_FLOW_PATH, r->bytes + (r->head.target & (HEAD_BYTES - 1)));
	upstream->untold = 1;
}

static __always_inline void flow_way(struct l7_upstream *upstream, __u32 way)
{
	upstream->flow.ways |= way;
}

/* The status line may be all that was understood of an answer. */
static __always_inline void flow_status(struct l7_upstream *upstream, const struct reading *r)
{
	if ((r->head.headers || r->head.state == HEAD_READ) && r->head.status >= 200)
		upstream->flow.status = r->head.status;
}

/* Its answer begins, or will not come; told once, whoever sees it first. */
static __always_inline void flow_answered(struct l7_upstream *upstream, __u32 way)
{
	if (__sync_val_compare_and_swap(&upstream->untold, 1, 0) != 1)
		return;
	upstream->flow.ways |= way;
	upstream->flow.latency = bpf_ktime_get_ns() - upstream->flow.time;
	flow_tell(&upstream->flow);
}

/* The request goes to the proxy after all. */
static __always_inline void flow_forget(struct l7_upstream *upstream)
{
	upstream->untold = 0;
}

/* There will be no answer but the agent's own, with `status`; 0 for none. */
static __always_inline void flow_lost(__u64 cookie, __u32 status)
{
	struct l7_upstream *upstream = bpf_map_lookup_elem(&l7_upstreams, &cookie);

	if (!upstream || !upstream->untold)
		return;
	upstream->flow.status = status;
	flow_answered(upstream, WAY_LOST);
}

static __always_inline void flow_slow(const struct l7_tuple *tuple, __u32 why)
{
	struct l7_flow *flow = bpf_ringbuf_reserve(&l7_flows, sizeof(*flow), 0);

	if (!flow) {
		l7_count(L7_FLOWS_LOST);
		return;
	}
	flow->time = bpf_ktime_get_ns();
	flow->latency = 0;
	flow->tuple = *tuple;
	flow->method = 0;
	flow->status = 0;
	flow->path_bytes = 0;
	flow->slow = why;
	flow->ways = 0;
	bpf_ringbuf_submit(flow, BPF_RB_NO_WAKEUP);
}

#else
#define flow_asked(upstream, r) ((void)(r))
#define flow_way(upstream, way) ((void)0)
#define flow_status(upstream, r) ((void)0)
#define flow_answered(upstream, way) ((void)0)
#define flow_forget(upstream) ((void)0)
#define flow_lost(cookie, status) ((void)0)
#define flow_slow(tuple, why) ((void)(tuple))
#endif

/* A request that goes to the proxy, or all that its connection will bring. */
static __always_inline void went_slow(const struct l7_tuple *tuple, __u32 why)
{
	l7_count(why);
	flow_slow(tuple, why);
}
