/* SPDX-License-Identifier: Dual BSD/GPL
 * Flows that were allowed, one entry for both directions of each, keyed by its ordered ends.
 *
 * An entry says: judged at every end on this node, under this generation of the policy, in the direction of the
 * initiator. It is a cache: eviction costs a new judgement, never a lost connection (docs/decisions/0012).
 */
#pragma once

#include "packet.h"

enum ct_state {
	CT_OPENING = 0, /* TCP: no answer yet */
	CT_ESTABLISHED = 1,
	CT_CLOSING = 2, /* TCP: a FIN or RST was seen */
	CT_DATAGRAM = 3, /* any other protocol, no answer yet */
	CT_ANSWERED = 4,
	CT_STATES = 8, /* a power of two, so that a mask bounds the index */
};

struct ct_key4 {
	__be32 address[2];
	__be16 port[2];
	__u8 protocol;
	__u8 pad[3];
};

struct ct_key6 {
	struct address address[2];
	__be16 port[2];
	__u8 protocol;
	__u8 pad[3];
};

struct ct_entry {
	__u32 generation;
	__u32 seen; /* ct_now() of a recent packet */
	__u16 hop[2]; /* how each end is reached; also where its packets must come from */
	__u8 initiator; /* which end opened it, 0 or 1 */
	__u8 state; /* enum ct_state */
	__u16 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct ct_key4);
	__type(value, struct ct_entry);
} conntrack4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct ct_key6);
	__type(value, struct ct_entry);
} conntrack6 SEC(".maps");

/* Time in units of 2^30 ns (1.07 s): coarse, so that a busy flow writes its entry about once a second. */
static __always_inline __u32 ct_now(void)
{
	return bpf_ktime_get_coarse_ns() >> 30;
}

/* How long an entry outlives its last packet, in ct_now() units. Volatile: libbpf cannot load what else clang makes of it. */
const volatile __u32 ct_lifetime[CT_STATES] = {
	[CT_OPENING] = 60,
	[CT_ESTABLISHED] = 7200,
	[CT_CLOSING] = 10,
	[CT_DATAGRAM] = 30,
	[CT_ANSWERED] = 180,
};

static __always_inline bool ct_expired(const struct ct_entry *entry, __u32 now)
{
	/* Signed: another CPU may have stamped the entry a moment after `now` was read here. */
	return (__s32)(now - entry->seen) > (__s32)ct_lifetime[entry->state & (CT_STATES - 1)];
}

/* 0 if the packet's source is the lower of the two ends, else 1. */
static __always_inline __u32 source_side(const struct packet *p)
{
	int words = p->family == FAMILY_4 ? 1 : 4;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		if (i < words && p->source.word[i] != p->destination.word[i])
			return p->source.word[i] > p->destination.word[i];
	}
	return p->source_port > p->destination_port;
}

static __always_inline void ct_key4(struct ct_key4 *key, const struct packet *p, __u32 side)
{
	key->address[0] = side ? p->destination.word[0] : p->source.word[0];
	key->address[1] = side ? p->source.word[0] : p->destination.word[0];
	key->port[0] = side ? p->destination_port : p->source_port;
	key->port[1] = side ? p->source_port : p->destination_port;
	key->protocol = p->protocol;
	key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

static __always_inline void ct_key6(struct ct_key6 *key, const struct packet *p, __u32 side)
{
	key->address[0] = side ? p->destination : p->source;
	key->address[1] = side ? p->source : p->destination;
	key->port[0] = side ? p->destination_port : p->source_port;
	key->port[1] = side ? p->source_port : p->destination_port;
	key->protocol = p->protocol;
	key->pad[0] = key->pad[1] = key->pad[2] = 0;
}

static __always_inline struct ct_entry *ct_find(const struct packet *p, __u32 side)
{
	if (p->family == FAMILY_4) {
		struct ct_key4 key;

		ct_key4(&key, p, side);
		return bpf_map_lookup_elem(&conntrack4, &key);
	} else {
		struct ct_key6 key;

		ct_key6(&key, p, side);
		return bpf_map_lookup_elem(&conntrack6, &key);
	}
}

static __always_inline void ct_store(const struct packet *p, __u32 side, const struct ct_entry *entry)
{
	if (p->family == FAMILY_4) {
		struct ct_key4 key;

		ct_key4(&key, p, side);
		bpf_map_update_elem(&conntrack4, &key, entry, BPF_ANY);
	} else {
		struct ct_key6 key;

		ct_key6(&key, p, side);
		bpf_map_update_elem(&conntrack6, &key, entry, BPF_ANY);
	}
}

static __always_inline void ct_remove(const struct packet *p, __u32 side)
{
	if (p->family == FAMILY_4) {
		struct ct_key4 key;

		ct_key4(&key, p, side);
		bpf_map_delete_elem(&conntrack4, &key);
	} else {
		struct ct_key6 key;

		ct_key6(&key, p, side);
		bpf_map_delete_elem(&conntrack6, &key);
	}
}

static __always_inline __u16 ct_hop(const struct ct_entry *entry, __u32 side)
{
	return side ? entry->hop[1] : entry->hop[0];
}

static __always_inline __u8 ct_first_state(const struct packet *p)
{
	if (p->protocol != IPPROTO_TCP)
		return CT_DATAGRAM;
	return p->kind == PACKET_OPENS ? CT_OPENING : CT_ESTABLISHED;
}

static __always_inline __u8 ct_next_state(const struct ct_entry *entry, const struct packet *p, bool reply)
{
	if (p->protocol != IPPROTO_TCP)
		return reply ? CT_ANSWERED : entry->state;
	if (p->tcp_flags & (TCP_FIN | TCP_RST))
		return CT_CLOSING;
	if (p->kind == PACKET_OPENS)
		return CT_OPENING;
	return reply && entry->state == CT_OPENING ? CT_ESTABLISHED : entry->state;
}

/* Notes a packet of a live entry; most packets find nothing to write, so flows share no dirty cache lines. */
static __always_inline void ct_note(struct ct_entry *entry, const struct packet *p, bool reply, __u32 now)
{
	__u8 state = ct_next_state(entry, p, reply);

	if (unlikely(entry->seen != now))
		entry->seen = now;
	if (unlikely(entry->state != state))
		entry->state = state;
}
