/* SPDX-License-Identifier: Dual BSD/GPL
 * Numbers of the network that BTF does not carry, and the includes that every program starts with.
 */
#pragma once

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_IPV6 0x86DD
#define ETH_HLEN 14

#define PACKET_HOST 0 /* of __sk_buff.pkt_type: a frame with this interface's address */

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

/* BPF_F_CURRENT_NETNS: as an enum of 64 bits it is left out of the types of kernels such as Debian's 6.1. */
#define OWN_NETNS (-1L)

#define IP_MF 0x2000
#define IP_OFFSET 0x1FFF

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* Extension headers of IPv6 (RFC 8200 section 4). */
#define NEXTHDR_HOP 0
#define NEXTHDR_ROUTING 43
#define NEXTHDR_FRAGMENT 44
#define NEXTHDR_AUTH 51
#define NEXTHDR_DEST 60

/* The kernel keeps this one out of its enum. */
#define IPPROTO_ICMPV6 58

#define FAMILY_4 4
#define FAMILY_6 6

/* What a caller of parse or judge asks first: most packets are of the common kind. */
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/*
 * Keeps the compiler from computing with a pointer before it was compared with NULL, and from loading a number again
 * after it was compared with its bound; the verifier refuses both.
 */
#define settle(value) asm volatile("" : "+r"(value))

/* An IPv4 or IPv6 address in network order; IPv4 is in word[0], the others are 0. */
struct address {
	__be32 word[4];
};

static __always_inline bool same_address(const struct address *a, const struct address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

/*
 * Where the packet's bytes begin and end. By assembly, because clang 14 else computes the address of the field
 * in a register, which the verifier refuses for a context.
 */
static __always_inline void *packet_begin(const struct __sk_buff *skb)
{
	void *begin;

	asm volatile("%[to] = *(u32 *)(%[skb] + %[offset])"
		     : [to] "=r"(begin)
		     : [skb] "r"(skb), [offset] "i"(__builtin_offsetof(struct __sk_buff, data)));
	return begin;
}

static __always_inline void *packet_end(const struct __sk_buff *skb)
{
	void *end;

	asm volatile("%[to] = *(u32 *)(%[skb] + %[offset])"
		     : [to] "=r"(end)
		     : [skb] "r"(skb), [offset] "i"(__builtin_offsetof(struct __sk_buff, data_end)));
	return end;
}

/* The interface by which the packet came to this network namespace; 0 if it was made here. */
static __always_inline __u32 arrived_by(const struct __sk_buff *skb)
{
	__u32 ifindex;

	asm volatile("%[to] = *(u32 *)(%[skb] + %[offset])"
		     : [to] "=r"(ifindex)
		     : [skb] "r"(skb), [offset] "i"(__builtin_offsetof(struct __sk_buff, ingress_ifindex)));
	return ifindex;
}

/* Orders memory accesses before it with those after it, as other CPUs see them. x86 orders loads and stores by itself. */
static __always_inline void memory_barrier(void)
{
#ifdef __TARGET_ARCH_x86
	asm volatile("" ::: "memory");
#else
	__u32 any = 0;

	__sync_fetch_and_add(&any, 1);
#endif
}

/* One step of a hash over 64-bit words. The multiplier is 2^64 divided by the golden ratio. */
static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
	return hash ^ hash >> 29;
}

/* The end of such a hash: 32 bits of which any may be taken, also for keys that differ in a few counted-up bits. */
static __always_inline __u32 spread(__u64 hash)
{
	return mix(hash, 0) >> 32;
}
