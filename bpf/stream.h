/* SPDX-License-Identifier: Dual BSD/GPL
 * Sockets whose data programs redirect: what they are asked about the kernel's own objects, and segments that repeat bytes.
 */
#pragma once

#include "net.h"
#include <bpf/bpf_core_read.h>

#define O_NONBLOCK 04000
#define PSOCK_POINTER (~7ULL) /* the low bits of sk_user_data are flags */

/* An skb of at most BIG TCP's 512 KB is cut by at most 4,095 bytes at a time. */
#define TRIM_STEP 4095
#define TRIM_STEPS 129

/* The sequence number up to which a socket's TCP data has been queued; older bytes are a retransmission. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, __u32);
} queued_to SEC(".maps");

extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym;

/* A kernel object by address. Reading one that is gone yields anything, but never faults. */
#define KERNEL(type, address) ((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))

static __always_inline bool nonblocking(const struct sock *sk)
{
	const struct socket *owner = sk->sk_socket;

	return owner && owner->file && owner->file->f_flags & O_NONBLOCK;
}

static __always_inline bool before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

enum trimmed {
	NOTHING_REPEATED,
	TRIMMED,
	UNTRIMMED, /* for want of memory: the stream is corrupt from here on */
};

/*
 * Cuts off what a segment repeats, on its way out of the socket's receive queue. The kernel takes segments as they lie: of
 * one that was half read when the socket entered a table, or that repeats bytes, it would deliver the old bytes again.
 * Global, so that the verifier walks its loop once.
 */
__noinline int trim_repeated(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	__u64 cookie = bpf_get_socket_cookie(skb);
	__u32 *known = bpf_map_lookup_elem(&queued_to, &cookie);
	struct tcp_skb_cb *segment = KERNEL(struct tcp_skb_cb, &KERNEL(struct sk_buff, skb)->cb);
	struct tcp_sock *tcp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	__u32 due, surplus, end = segment->end_seq;
	int done = NOTHING_REPEATED;

	if (!tcp)
		return done;
	due = tcp->copied_seq;
	if (known && before(due, *known))
		due = *known;
	if (before(segment->seq, due)) {
		surplus = due - segment->seq;
		done = TRIMMED;
		for (int i = 0; i < TRIM_STEPS && surplus; i++) {
			__u32 step = surplus < TRIM_STEP ? surplus : TRIM_STEP;

			if (bpf_skb_adjust_room(skb, -(__s32)step, 0, 0))
				return UNTRIMMED;
			surplus -= step;
		}
	}
	bpf_map_update_elem(&queued_to, &cookie, &end, BPF_ANY);
	return done;
}
