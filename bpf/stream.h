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

/*
 * A kernel object by address, whose fields FIELD reads. Reading one that is gone yields anything, but never faults.
 * Kernels before 6.2 take no address for an object (NO_RDONLY_CAST, harness/lab/build.py): there a helper copies each field.
 */
#ifdef NO_RDONLY_CAST
#define KERNEL(type, address) ((type *)(address))
#define FIELD(object, field)                                                                                           \
	({                                                                                                             \
		union {                                                                                                \
			typeof((object)->field) value;                                                                 \
			char bytes[sizeof((object)->field)];                                                           \
		} field_;                                                                                              \
		typeof(object) object_ = (object); /* apart: what is of the kernel in the line below is relocated */   \
		if (bpf_core_read(field_.bytes, sizeof(field_), &object_->field))                                      \
			__builtin_memset(field_.bytes, 0, sizeof(field_));                                             \
		field_.value;                                                                                          \
	})
#else
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym;

#define KERNEL(type, address) ((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))
#define FIELD(object, field) ((object)->field)
#endif

static __always_inline bool nonblocking(const struct sock *sk)
{
	const struct socket *owner = FIELD(sk, sk_socket);
	const struct file *file = owner ? FIELD(owner, file) : NULL;

	return file && FIELD(file, f_flags) & O_NONBLOCK;
}

/*
 * Copies `bytes` of a packet, of a message, of anything, where they are at least one and at most `most`; whether it could.
 * Verifiers differ in what they know of a number that was compared: here what was compared is what is passed, less one.
 */
static __always_inline bool load_packet(struct __sk_buff *skb, __u32 offset, void *to, __u32 bytes, __u32 most)
{
	__u32 less = bytes - 1;

	barrier_var(less);
	return less < most && !bpf_skb_load_bytes(skb, offset, to, less + 1);
}

static __always_inline bool load_memory(void *to, const void *from, __u32 bytes, __u32 most)
{
	__u32 less = bytes - 1;

	barrier_var(less);
	return less < most && !bpf_probe_read_kernel(to, less + 1, from);
}

static __always_inline bool load_message(struct sk_msg_md *msg, __u32 offset, void *to, __u32 bytes, __u32 most)
{
	return bytes && bytes <= most && !bpf_msg_pull_data(msg, offset, offset + bytes, 0) &&
	       (void *)msg->data + bytes <= (void *)msg->data_end && load_memory(to, msg->data, bytes, most);
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
	__u32 due, surplus, begin = FIELD(segment, seq), end = FIELD(segment, end_seq);
	int done = NOTHING_REPEATED;

	if (!tcp)
		return done;
	due = tcp->copied_seq;
	if (known && before(due, *known))
		due = *known;
	if (before(begin, due)) {
		surplus = due - begin;
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
