/* SPDX-License-Identifier: Dual BSD/GPL
 * Whether a policy allows a flow: one judgement for each end that is a pod of this node.
 *
 * The compiler (harness/mesh/policy.py) has done all matching of labels, ranges and blocks; what is left is
 * looking up {subject, peer, port class, protocol}, each of the last three exactly or as a wildcard.
 * A rule that denies wins over every rule that allows, so those are looked up first, where there are any; else the
 * order of lookups decides nothing but which rule is named.
 */
#pragma once

#include "drop.h"
#include "identity.h"

#define IDENTITIES 16384
#define DIRECTIONS 2

/* Which kinds of entries a pod's identity has in one direction, so that absent kinds cost no lookup. */
enum subject_shape {
	SUBJECT_KNOWN = 1 << 0,
	SUBJECT_OPEN = 1 << 1, /* no policy isolates it: everything is allowed */
	/* From here on one bit for each of peer (identity, any, CIDR class) and port (class, any of its protocol, any). */
	SHAPE_FIRST = 1 << 2,
	/* One bit for each of peer alone: denials are rare, and with any ports share it. */
	DENY_FIRST = 1 << 11,
};

#define SHAPES 9
#define DENY_SHAPES (7 * DENY_FIRST)
#define IDENTITY_SHAPES (7 * SHAPE_FIRST | DENY_FIRST)
#define CIDR_SHAPES (7 * SHAPE_FIRST << 6 | DENY_FIRST << 2)

/* What of a port a shape looks up. */
enum shape_port {
	PORT_CLASS,
	PORT_PROTOCOL,
	PORT_ANY,
	PORT_SHAPES,
};

/* What of a peer a shape looks up. */
enum shape_peer {
	PEER_IDENTITY,
	PEER_ANY,
	PEER_CIDR,
};

struct subject {
	__u32 rule; /* the policy that isolates, for evidence */
	__u16 shapes; /* enum subject_shape */
	__u16 class; /* of identities to which the same rules apply */
};

/* Index: ((bank * DIRECTIONS) + direction) * IDENTITIES + identity. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BANKS *DIRECTIONS *IDENTITIES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct subject);
} subjects SEC(".maps");

/* The class of each identity as a peer: identities that no rule tells apart share one; 0 is named by no rule. */
struct peer_classes {
	__u16 of[IDENTITIES];
};

/* Index: bank. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BANKS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct peer_classes);
} peer_classes SEC(".maps");

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

/* Added to the direction of an entry that denies. */
#define ENTRY_DENIES 2

/* Set in an entry's rule: it allows not the flow but some of its requests, and the node's proxy judges each. */
#define RULE_REQUESTS 0x80000000

struct policy_entry {
	__u32 subject; /* class of the pod that the policy selects; 0: no entry */
	__u32 peer; /* class of the peer, or of its CIDR; 0: any */
	__u16 port_class; /* of ICMP the type and 1; 0: any */
	__u8 protocol; /* 0: any */
	__u8 direction; /* and ENTRY_DENIES */
	__u32 rule; /* that allows or denies, and RULE_REQUESTS */
};

#ifndef POLICY_BUCKETS /* more is for measuring what a larger table would cost */
#define POLICY_BUCKETS 65536
#endif

/* One cache line. */
struct policy_bucket {
	struct policy_entry entry[TABLE_WAYS];
};

/*
 * A table as endpoints4 is. Index: bank * POLICY_BUCKETS + bucket.
 * A BPF hash map's lookup costs 100 ns more once the entries are too many for the cache (docs/decisions/0013).
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BANKS *POLICY_BUCKETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct policy_bucket);
} policies SEC(".maps");

/* IPv4 is looked up as ::ffff:a.b.c.d. */
struct cidr_key {
	__u32 prefix; /* bits of what follows: 32 for the bank, then the block's own */
	__u32 bank;
	struct address address;
};

/* Value: the CIDR class of an address that is no pod's. Pods' have classes of their own, which blocks may leave out. */
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
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 1 + bpf_ntohs(port);
	default:
		return 0;
	}
	table += bank * PORT_TABLES;
	classes = bpf_map_lookup_elem(&port_classes, &table);
	return classes ? classes->of[bpf_ntohs(port)] : 0;
}

/*
 * The rule of the entry whose first 8 bytes are `who` and whose next 4 are `what`, or 0.
 * A global function, as are others below, because the verifier walks such once, not once for each way that leads there.
 */
__noinline __u32 find_rule(__u32 bank, __u32 mask, __u64 who, __u32 what)
{
	__u32 home = spread(mix(mix(0, who), what)) & mask;

	for (int probe = 0; probe < TABLE_PROBES; probe++) {
		__u32 index = (bank & 1) * POLICY_BUCKETS + ((home + probe) & mask);
		struct policy_bucket *bucket = bpf_map_lookup_elem(&policies, &index);

		if (!bucket)
			return 0;
#pragma unroll
		for (int way = 0; way < TABLE_WAYS; way++) {
			__u64 *entry = (__u64 *)&bucket->entry[way];

			if (entry[0] == who && (__u32)entry[1] == what)
				return entry[1] >> 32;
			if (!entry[0])
				return 0;
		}
	}
	return 0;
}

/* One end's question: may `subject` exchange this with `peer`? */
struct question {
	__u32 generation;
	__u32 subject;
	__u32 peer;
	__u16 cidr_class; /* of a peer that is a pod */
	__be16 port; /* of the flow's destination, whichever end is asked; of ICMP the type */
	__u8 peer_is_pod;
	__u8 family;
	__u8 protocol;
	__u8 direction;
};

/* The class of an identity as a peer, 0 if no rule names it. */
static __always_inline __u32 peer_class(__u32 bank, __u32 identity)
{
	struct peer_classes *classes = bpf_map_lookup_elem(&peer_classes, &bank);

	settle(identity);
	return classes && identity < IDENTITIES ? classes->of[identity] : 0;
}

/* What of its port the entries of `shape` have, with protocol and direction: an entry's second 8 bytes without the rule. */
static __always_inline __u32 entry_what(const struct question *q, __u32 shape, __u32 class)
{
	__u32 what = (__u32)q->direction << 24;

	if (shape % PORT_SHAPES != PORT_ANY)
		what |= (__u32)q->protocol << 16;
	return shape % PORT_SHAPES == PORT_CLASS ? what | class : what;
}

/*
 * Answers with a drop reason; *rule is the rule that allows or denies, or the policy that isolates. It carries RULE_REQUESTS
 * where rules allow the flow and all of them look into requests: one that does not allows every request.
 * `peer_address` is looked up among the CIDRs unless the peer is a pod.
 */
__noinline int judge(const struct question *q, const struct address *peer_address, __u32 *rule)
{
	struct mesh_config *settings = mesh_settings();
	__u32 bank, mask, index, class, peer, what, found, shapes, named = 0, block = 0, requests = 0;
	struct subject *subject;
	__u64 who;

	if (!q || !peer_address || !rule || !settings)
		return DROP_NO_POLICY;
	bank = q->generation & 1;
	mask = bank ? settings->policy_mask[1] : settings->policy_mask[0];
	index = (bank * DIRECTIONS + q->direction) * IDENTITIES + q->subject;
	subject = q->subject < IDENTITIES ? bpf_map_lookup_elem(&subjects, &index) : NULL;
	if (!subject || !(subject->shapes & SUBJECT_KNOWN))
		return DROP_NO_POLICY;
	shapes = subject->shapes;
	*rule = subject->rule;
	if ((shapes & ~SUBJECT_KNOWN) == SUBJECT_OPEN)
		return DROP_NONE;
	class = port_class(bank, q->protocol, q->port);
	if (shapes & IDENTITY_SHAPES)
		named = peer_class(bank, q->peer);
	if (shapes & CIDR_SHAPES)
		block = q->peer_is_pod ? q->cidr_class : cidr_class(bank, q->family, peer_address);
	/* The first nine rounds look for denials. */
	for (int round = shapes & DENY_SHAPES ? 0 : SHAPES; round < 2 * SHAPES; round++) {
		bool denying = round < SHAPES;
		__u32 shape = denying ? round : round - SHAPES;

		if (!(shapes & (denying ? DENY_FIRST << shape / PORT_SHAPES : SHAPE_FIRST << shape)))
			continue;
		if (shape % PORT_SHAPES == PORT_CLASS && !class)
			continue;
		peer = 0;
		if (shape / PORT_SHAPES == PEER_IDENTITY) {
			if (!named)
				continue;
			peer = named;
		}
		if (shape / PORT_SHAPES == PEER_CIDR) {
			if (!block)
				continue;
			peer = block | PEER_IS_CIDR;
		}
		what = entry_what(q, shape, class) | (denying ? ENTRY_DENIES << 24 : 0);
		who = subject->class | (__u64)peer << 32;
		found = find_rule(bank, mask, who, what);
		if (found & RULE_REQUESTS) {
			requests = found;
			continue;
		}
		if (found) {
			*rule = found;
			if (denying)
				return q->direction == EGRESS ? DROP_DENIED_EGRESS : DROP_DENIED_INGRESS;
			return DROP_NONE;
		}
	}
	if (requests)
		*rule = requests;
	if (requests || shapes & SUBJECT_OPEN)
		return DROP_NONE;
	return q->direction == EGRESS ? DROP_POLICY_EGRESS : DROP_POLICY_INGRESS;
}

/* A flow from the side that opened it. */
struct flow {
	const struct address *source;
	const struct address *destination;
	__be16 destination_port; /* of ICMP the type */
	__u8 family;
	__u8 protocol;
};

/* Why a flow is not allowed, and where that was judged. */
struct judgement {
	__u32 rule; /* with RULE_REQUESTS where the rules of an end look into requests */
	__u32 reason; /* enum drop_reason, DROP_NONE: allowed */
	__u32 direction;
};

static __always_inline int judge_end(struct question *q, const struct endpoint *subject, const struct endpoint *peer,
				     const struct address *peer_address, __u32 direction, struct judgement *judgement)
{
	__u32 requests = judgement->rule & RULE_REQUESTS; /* of the other end */

	q->direction = direction;
	q->subject = subject->identity;
	q->peer = peer ? peer->identity : IDENTITY_WORLD;
	q->peer_is_pod = !!peer;
	q->cidr_class = peer ? peer->cidr_class : 0;
	judgement->direction = direction;
	judgement->reason = judge(q, peer_address, &judgement->rule);
	judgement->rule |= requests;
	return judgement->reason;
}

/*
 * Judges a flow at each of its ends that is a pod of this node: the source's egress and the destination's ingress.
 * `from` and `to` are the endpoints of its addresses, NULL for the world's.
 * A node and its own pods always reach each other, and a pod itself, as Kubernetes demands.
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

	if ((from && from->flags & ENDPOINT_HOST) || (to && to->flags & ENDPOINT_HOST) || (from && from == to))
		return judgement;
	if (from && from->flags & ENDPOINT_LOCAL &&
	    judge_end(&q, from, to, flow->destination, EGRESS, &judgement))
		return judgement;
	if (to && to->flags & ENDPOINT_LOCAL)
		judge_end(&q, to, from, flow->source, INGRESS, &judgement);
	return judgement;
}
