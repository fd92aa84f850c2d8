/* SPDX-License-Identifier: Dual BSD/GPL
 * Flows that were allowed, one entry for both directions of each, keyed by its ordered ends.
 *
 * An entry says: judged at every end on this node, under this generation of the policy, in the direction of the
 * initiator. It is a cache: eviction costs a new judgement, never a TCP connection (docs/decisions/0014).
 *
 * The table is set-associative, in an array map: a flow's hash chooses a set, whose four ways lie in neighbouring cache
 * lines. A BPF LRU hash spends 250 ns and more on an insertion alone (docs/decisions/0013).
 */
#pragma once

#include "identity.h"
#include "packet.h"

enum ct_state {
	CT_OPENING = 0, /* TCP: no answer yet */
	CT_ESTABLISHED = 1,
	CT_CLOSING = 2, /* TCP: a FIN or RST was seen */
	CT_DATAGRAM = 3, /* any other protocol, no answer yet */
	CT_ANSWERED = 4,
	CT_REVOKED = 5, /* TCP: no longer allowed, kept because it says who opened the connection */
	CT_REVOKED_DATAGRAM = 6, /* the same of any other protocol; the last states are those of what is not allowed */
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

#define CT_WAYS 4
#define CT_SETS 16384

/* What is known of the flows of a set. */
struct ct_ways {
	/*
	 * Generation, hop of each end, initiator and whether it is proxied in one word, 0 for none. Written last, cleared first, and read before
	 * and after the key: a reader that finds it unchanged has seen a key and a verdict that belong together.
	 */
	__u64 verdict[CT_WAYS];
	__u32 seen[CT_WAYS]; /* ct_now() of a recent packet */
	__u8 state[CT_WAYS]; /* enum ct_state */
	__u32 lock; /* 1 while somebody writes keys */
	__u32 turn; /* counts insertions: where the search for a way to reuse begins */
	__u32 pad;
};

struct ct_set4 {
	struct ct_key4 key[CT_WAYS];
	struct ct_ways ways;
};

struct ct_set6 {
	struct ct_key6 key[CT_WAYS];
	__u8 pad[32];
	struct ct_ways ways;
};

/* Mappable, for such arrays begin on a page: sets then begin on a cache line. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CT_SETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ct_set4);
} conntrack4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CT_SETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ct_set6);
} conntrack6 SEC(".maps");

#define CT_INITIATOR (1ULL << 63)
#define CT_PROXIED (1ULL << 47) /* the flow ends at the node's proxy, in both directions (proxy.h) */

/* The verdict word: initiator is the end (0 or 1) that opened the flow. */
static __always_inline __u64 ct_verdict(__u32 generation, __u16 hop0, __u16 hop1, __u32 initiator)
{
	return generation | (__u64)hop0 << 32 | (__u64)hop1 << 48 | (initiator ? CT_INITIATOR : 0);
}

static __always_inline __u32 ct_generation(__u64 verdict)
{
	return verdict;
}

static __always_inline __u32 ct_initiator(__u64 verdict)
{
	return verdict >> 63;
}

/* How an end is reached; also where its packets must come from. */
static __always_inline __u32 ct_hop(__u64 verdict, __u32 side)
{
	return side ? verdict >> 48 & 0x7FFF : verdict >> 32 & 0x7FFF;
}

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
	[CT_REVOKED] = 7200,
	[CT_REVOKED_DATAGRAM] = 180,
};

/* A live or dead entry as it was found. */
struct ct_found {
	struct ct_ways *ways; /* NULL: none */
	__u32 way;
	__u32 set; /* where the flow's entry is or belongs */
	__u64 verdict;
};

static __always_inline bool ct_expired(const struct ct_ways *ways, __u32 way, __u32 now)
{
	/* Signed: another CPU may have stamped the entry a moment after `now` was read here. */
	return (__s32)(now - ways->seen[way & (CT_WAYS - 1)]) >
	       (__s32)ct_lifetime[ways->state[way & (CT_WAYS - 1)] & (CT_STATES - 1)];
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

/* The set index of a key of `words` 64-bit words. */
static __always_inline __u32 ct_index(const __u64 *key, int words)
{
	struct mesh_config *settings = mesh_settings();
	__u64 hash = settings ? settings->seed : 0;

#pragma unroll
	for (int i = 0; i < words; i++)
		hash = mix(hash, key[i]);
	return spread(hash) & (CT_SETS - 1);
}

static __always_inline bool ct_same(const __u64 *a, const __u64 *b, int words)
{
	__u64 difference = 0;

#pragma unroll
	for (int i = 0; i < words; i++)
		difference |= *(volatile const __u64 *)&a[i] ^ b[i];
	return !difference;
}

/* The entry of `key` among the `keys` of a set; `words` are 64-bit words of a key. */
static __always_inline struct ct_found ct_search(struct ct_ways *ways, const __u64 *keys, const __u64 *key, int words)
{
	struct ct_found found = {};

#pragma unroll
	for (int way = 0; way < CT_WAYS; way++) {
		__u64 verdict = *(volatile __u64 *)&ways->verdict[way];

		if (!verdict)
			continue;
		memory_barrier();
		if (!ct_same(&keys[way * words], key, words))
			continue;
		memory_barrier();
		if (*(volatile __u64 *)&ways->verdict[way] != verdict)
			continue;
		found.ways = ways;
		found.way = way;
		found.verdict = verdict;
		return found;
	}
	return found;
}

#define CT_WORDS4 (sizeof(struct ct_key4) / 8)
#define CT_WORDS6 (sizeof(struct ct_key6) / 8)

static __always_inline struct ct_found ct_find(const struct packet *p, __u32 side)
{
	struct ct_found found = {};
	__u32 index;

	if (p->family == FAMILY_4) {
		struct ct_key4 key;
		struct ct_set4 *set;

		ct_key4(&key, p, side);
		index = ct_index((__u64 *)&key, CT_WORDS4);
		set = bpf_map_lookup_elem(&conntrack4, &index);
		if (set)
			found = ct_search(&set->ways, (__u64 *)set->key, (__u64 *)&key, CT_WORDS4);
	} else {
		struct ct_key6 key;
		struct ct_set6 *set;

		ct_key6(&key, p, side);
		index = ct_index((__u64 *)&key, CT_WORDS6);
		set = bpf_map_lookup_elem(&conntrack6, &index);
		if (set)
			found = ct_search(&set->ways, (__u64 *)set->key, (__u64 *)&key, CT_WORDS6);
	}
	found.set = index;
	return found;
}

/*
 * Which way a new entry takes: its own, else an empty one, else an expired one, else the one that was silent longest.
 * Entries of an older policy are not taken first: what they say of who opened a connection may have to stop it yet.
 * Revoked ones are taken last.
 */
static __always_inline __u32 ct_choose(struct ct_ways *ways, const __u64 *keys, const __u64 *key, int words, __u32 now)
{
	__u32 chosen = 0, best = 0;

#pragma unroll
	for (int way = 0; way < CT_WAYS; way++) {
		__u32 turn = (way + ways->turn) & (CT_WAYS - 1), silent = (now - ways->seen[way] + 1) << 2 | turn;

		if (ways->verdict[way] && ct_same(&keys[way * words], key, words))
			return way;
		if (!ways->verdict[way])
			silent = 0x7FFFFFFF;
		else if (ct_expired(ways, way, now))
			silent |= 0x40000000;
		else if (ways->state[way] >= CT_REVOKED)
			silent = turn;
		if (silent >= best) {
			best = silent;
			chosen = way;
		}
	}
	return chosen;
}

/* Keys are written by one CPU at a time. Whoever finds the lock taken leaves its flow to be judged again. */
static __always_inline void ct_write(struct ct_ways *ways, __u64 *keys, const __u64 *key, int words, __u64 verdict,
				     __u8 state, __u32 now)
{
	__u32 way;

	if (__sync_val_compare_and_swap(&ways->lock, 0, 1))
		return;
	ways->turn++;
	way = ct_choose(ways, keys, key, words, now) & (CT_WAYS - 1);
	*(volatile __u64 *)&ways->verdict[way] = 0;
	memory_barrier();
#pragma unroll
	for (int i = 0; i < words; i++)
		*(volatile __u64 *)&keys[way * words + i] = key[i];
	ways->seen[way] = now;
	ways->state[way] = state;
	memory_barrier();
	*(volatile __u64 *)&ways->verdict[way] = verdict;
	memory_barrier();
	*(volatile __u32 *)&ways->lock = 0;
}

/* Remembers the flow of a packet in the set that ct_find() named. */
static __always_inline void ct_store(const struct packet *p, __u32 side, __u32 index, __u64 verdict, __u8 state,
				     __u32 now)
{
	if (p->family == FAMILY_4) {
		struct ct_set4 *set = bpf_map_lookup_elem(&conntrack4, &index);
		struct ct_key4 key;

		ct_key4(&key, p, side);
		if (set)
			ct_write(&set->ways, (__u64 *)set->key, (__u64 *)&key, CT_WORDS4, verdict, state, now);
	} else {
		struct ct_set6 *set = bpf_map_lookup_elem(&conntrack6, &index);
		struct ct_key6 key;

		ct_key6(&key, p, side);
		if (set)
			ct_write(&set->ways, (__u64 *)set->key, (__u64 *)&key, CT_WORDS6, verdict, state, now);
	}
}

static __always_inline __u8 ct_first_state(const struct packet *p, bool reply)
{
	if (p->protocol != IPPROTO_TCP)
		return reply ? CT_ANSWERED : CT_DATAGRAM;
	return p->kind == PACKET_OPENS ? CT_OPENING : CT_ESTABLISHED;
}

static __always_inline __u8 ct_next_state(__u8 state, const struct packet *p, bool reply)
{
	if (p->protocol != IPPROTO_TCP)
		return reply ? CT_ANSWERED : state;
	if (p->tcp_flags & (TCP_FIN | TCP_RST))
		return CT_CLOSING;
	if (p->kind == PACKET_OPENS)
		return CT_OPENING;
	return reply && state == CT_OPENING ? CT_ESTABLISHED : state;
}

/* Notes a packet of a live entry; most packets find nothing to write, so flows share no dirty cache lines. */
static __always_inline void ct_note(const struct ct_found *found, const struct packet *p, bool reply, __u32 now)
{
	__u32 way = found->way & (CT_WAYS - 1);
	__u8 before = found->ways->state[way], state = ct_next_state(before, p, reply);

	if (unlikely(found->ways->seen[way] != now))
		found->ways->seen[way] = now;
	if (unlikely(before != state))
		found->ways->state[way] = state;
}

/* Whether an entry settles a packet: judged under this policy, still alive, and not a new connection over an old one. */
static __always_inline bool ct_settles(const struct ct_found *found, const struct packet *p, __u32 side,
				       __u32 generation, __u32 now)
{
	if (!found->ways || ct_generation(found->verdict) != generation || ct_expired(found->ways, found->way, now) ||
	    found->ways->state[found->way & (CT_WAYS - 1)] >= CT_REVOKED)
		return false;
	return ct_initiator(found->verdict) == side || p->kind != PACKET_OPENS || p->protocol != IPPROTO_TCP;
}

/* Whether the flow of `p` is judged under the policy in force; if so, keeps its entry alive. */
static __always_inline bool ct_keep(const struct packet *p)
{
	__u32 generation = current_generation(), now = ct_now(), side = source_side(p);
	struct ct_found found = ct_find(p, side);

	if (!ct_settles(&found, p, side, generation, now))
		return false;
	ct_note(&found, p, ct_initiator(found.verdict) != side, now);
	return true;
}

/*
 * The flow is not allowed any more. The entry stays, for without it the other end's next packet would be taken for the
 * first of a flow of its own: a segment of unknown direction, or an answer that was on its way when the flow was
 * revoked. What that is allowed would then let in this end's packets, as its replies.
 */
static __always_inline void ct_revoke(const struct ct_found *found, const struct packet *p, __u32 now)
{
	__u32 way = found->way & (CT_WAYS - 1);

	found->ways->seen[way] = now;
	found->ways->state[way] = p->protocol == IPPROTO_TCP ? CT_REVOKED : CT_REVOKED_DATAGRAM;
}
