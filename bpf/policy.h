/* SPDX-License-Identifier: Dual BSD/GPL
 * Whether a policy allows a flow: one judgement for each end that is a pod of this node.
 *
 * The compiler (harness/mesh/policy.py) has done all matching of labels, ranges and blocks; what is left is
 * looking up {subject, peer, port class, protocol}, each of the last three exactly or as a wildcard.
 * Policies only allow, so the order of lookups decides nothing but which rule is named.
 */
#pragma once

#include "drop.h"
#include "identity.h"

struct mesh_config {
	__u32 generation; /* counts policy changes; its lowest bit is the bank in force */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mesh_config);
} mesh_config SEC(".maps");

/* The generation, to be read once for each packet: all its lookups then see one policy. */
static __always_inline __u32 current_generation(void)
{
	__u32 first = 0;
	struct mesh_config *value = bpf_map_lookup_elem(&mesh_config, &first);

	return value ? *(volatile __u32 *)&value->generation : 0;
}

#define IDENTITIES 16384
#define DIRECTIONS 2

/* Which kinds of entries a pod's identity has in one direction, so that absent kinds cost no lookup. */
enum subject_shape {
	SUBJECT_KNOWN = 1 << 0,
	SUBJECT_OPEN = 1 << 1, /* no policy isolates it: everything is allowed */
	/* From here on one bit for each of peer (identity, CIDR class, any) and port (class, any of its protocol, any). */
	SHAPE_FIRST = 1 << 2,
};

#define PEER_IDENTITY 0
#define PEER_CIDR 1
#define PEER_ANY 2
#define PORT_CLASS 0
#define PORT_PROTOCOL 1
#define PORT_ANY 2
#define SHAPE(peer, port) (SHAPE_FIRST << ((peer) * 3 + (port)))

struct subject {
	__u32 rule; /* the policy that isolates, for evidence */
	__u16 shapes; /* enum subject_shape */
	__u16 pad;
};

/* Index: ((bank * DIRECTIONS) + direction) * IDENTITIES + identity. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BANKS *DIRECTIONS *IDENTITIES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct subject);
} subjects SEC(".maps");

enum port_table {
	PORTS_TCP = 0,
	PORTS_UDP = 1,
	PORTS_SCTP = 2,
	PORT_TABLES = 3,
};

/* The class of each port: ports that no rule tells apart share one; 0 is named by no rule. */
struct port_classes {
	__u16 of[65536];
};

/* Index: bank * PORT_TABLES + table. A range of any length costs one lookup. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BANKS *PORT_TABLES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct port_classes);
} port_classes SEC(".maps");

/* Peers that are CIDR classes carry this bit; 0 is any peer. */
#define PEER_IS_CIDR 0x80000000

struct policy_key {
	__u32 subject; /* identity of the pod that the policy selects */
	__u32 peer;
	__u16 port_class; /* 0: any */
	__u8 protocol; /* 0: any */
	__u8 side; /* direction | bank << 1 */
};

/* Value: the rule that allows. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct policy_key);
	__type(value, __u32);
} policies SEC(".maps");

/* IPv4 is looked up as ::ffff:a.b.c.d. */
struct cidr_key {
	__u32 prefix; /* bits of what follows: 32 for the bank, then the block's own */
	__u32 bank;
	struct address address;
};

/* Value: the CIDR class of an address that is no pod's. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct cidr_key);
	__type(value, __u32);
} cidrs SEC(".maps");

static __always_inline __u32 cidr_class(__u32 bank, __u8 family, const struct address *address)
{
	struct cidr_key key = {.prefix = 32 + 128, .bank = bank};
	__u32 *found;

	if (family == FAMILY_4) {
		key.address.word[2] = bpf_htonl(0xFFFF);
		key.address.word[3] = address->word[0];
	} else {
		key.address = *address;
	}
	found = bpf_map_lookup_elem(&cidrs, &key);
	return found ? *found : 0;
}

static __always_inline __u32 port_class(__u32 bank, __u8 protocol, __be16 port)
{
	struct port_classes *classes;
	__u32 table;

	switch (protocol) {
	case IPPROTO_TCP:
		table = PORTS_TCP;
		break;
	case IPPROTO_UDP:
		table = PORTS_UDP;
		break;
	case IPPROTO_SCTP:
		table = PORTS_SCTP;
		break;
	default:
		return 0;
	}
	table += bank * PORT_TABLES;
	classes = bpf_map_lookup_elem(&port_classes, &table);
	return classes ? classes->of[bpf_ntohs(port)] : 0;
}

/* One end's question: may `subject` exchange this with `peer`? */
struct question {
	__u32 subject;
	__u32 peer;
	struct address peer_address; /* looked up among the CIDRs unless it is a pod's */
	__u32 generation;
	__u16 cidr_class; /* of a peer that is a pod */
	__be16 port; /* of the flow's destination, whichever end is asked */
	__u8 family;
	__u8 protocol;
	__u8 direction;
	__u8 peer_is_pod;
};

static __always_inline bool allows(struct policy_key *key, __u32 peer, __u32 class, __u8 protocol, __u32 *rule)
{
	__u32 *found;

	key->peer = peer;
	key->port_class = class;
	key->protocol = protocol;
	found = bpf_map_lookup_elem(&policies, key);
	if (!found)
		return false;
	*rule = *found;
	return true;
}

static __always_inline bool allows_peer(struct policy_key *key, __u16 shapes, int level, __u32 peer, __u32 class,
					__u8 protocol, __u32 *rule)
{
	return (class && shapes & SHAPE(level, PORT_CLASS) && allows(key, peer, class, protocol, rule)) ||
	       (shapes & SHAPE(level, PORT_PROTOCOL) && allows(key, peer, 0, protocol, rule)) ||
	       (shapes & SHAPE(level, PORT_ANY) && allows(key, peer, 0, 0, rule));
}

#define SHAPES_OF(level) (SHAPE(level, PORT_CLASS) | SHAPE(level, PORT_PROTOCOL) | SHAPE(level, PORT_ANY))

/*
 * Answers with a drop reason; *rule is the rule that allows, or the policy that isolates.
 * A global function, because the verifier walks it once and not once for each way that leads to it.
 */
__noinline int judge(const struct question *q, __u32 *rule)
{
	struct policy_key key = {};
	struct subject *subject;
	__u32 bank, index, class, block;

	if (!q || !rule)
		return DROP_NO_POLICY;
	bank = q->generation & 1;
	index = (bank * DIRECTIONS + q->direction) * IDENTITIES + q->subject;
	key.subject = q->subject;
	key.side = q->direction | bank << 1;
	subject = q->subject < IDENTITIES ? bpf_map_lookup_elem(&subjects, &index) : NULL;
	if (!subject || !(subject->shapes & SUBJECT_KNOWN))
		return DROP_NO_POLICY;
	*rule = subject->rule;
	if (subject->shapes & SUBJECT_OPEN)
		return DROP_NONE;
	class = port_class(bank, q->protocol, q->port);
	if (allows_peer(&key, subject->shapes, PEER_IDENTITY, q->peer, class, q->protocol, rule) ||
	    allows_peer(&key, subject->shapes, PEER_ANY, 0, class, q->protocol, rule))
		return DROP_NONE;
	if (subject->shapes & SHAPES_OF(PEER_CIDR)) {
		block = q->peer_is_pod ? q->cidr_class : cidr_class(bank, q->family, &q->peer_address);
		if (block && allows_peer(&key, subject->shapes, PEER_CIDR, PEER_IS_CIDR | block, class, q->protocol,
					 rule))
			return DROP_NONE;
	}
	return q->direction == EGRESS ? DROP_POLICY_EGRESS : DROP_POLICY_INGRESS;
}

/* A flow from the side that opened it. */
struct flow {
	struct address source;
	struct address destination;
	__be16 destination_port;
	__u8 family;
	__u8 protocol;
};

/* Why a flow is not allowed, and where that was judged. */
struct judgement {
	__u32 rule;
	__u32 reason; /* enum drop_reason, DROP_NONE: allowed */
	__u32 direction;
};

static __always_inline int judge_end(struct question *q, const struct endpoint *subject, const struct endpoint *peer,
				     const struct address *peer_address, __u32 direction, struct judgement *judgement)
{
	q->direction = direction;
	q->subject = subject->identity;
	q->peer = peer ? peer->identity : IDENTITY_WORLD;
	q->peer_is_pod = !!peer;
	q->cidr_class = peer ? (q->generation & 1 ? peer->cidr_class[1] : peer->cidr_class[0]) : 0;
	q->peer_address = *peer_address;
	judgement->direction = direction;
	judgement->reason = judge(q, &judgement->rule);
	return judgement->reason;
}

/*
 * Judges a flow at each of its ends that is a pod of this node: the source's egress and the destination's ingress.
 * `from` and `to` are the endpoints of its addresses, NULL for the world's.
 * A node and its own pods always reach each other, as Kubernetes demands.
 */
static __always_inline struct judgement judge_flow(__u32 generation, const struct flow *flow,
						   const struct endpoint *from, const struct endpoint *to)
{
	struct judgement judgement = {};
	struct question q = {
		.generation = generation,
		.port = flow->destination_port,
		.family = flow->family,
		.protocol = flow->protocol,
	};

	if ((from && from->flags & ENDPOINT_HOST) || (to && to->flags & ENDPOINT_HOST))
		return judgement;
	if (from && from->flags & ENDPOINT_LOCAL &&
	    judge_end(&q, from, to, &flow->destination, EGRESS, &judgement))
		return judgement;
	if (to && to->flags & ENDPOINT_LOCAL)
		judge_end(&q, to, from, &flow->source, INGRESS, &judgement);
	return judgement;
}
