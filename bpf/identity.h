/* SPDX-License-Identifier: Dual BSD/GPL
 * Who an address is (identity, from labels) and how it is reached from this node (hop).
 * Both come from the control plane; programs only read them.
 */
#pragma once

#include "net.h"

/* Tables that change with the policy or the pods exist twice; the generation's lowest bit says which is in force. */
#define BANKS 2

struct mesh_config {
	__u32 generation; /* counts changes of policy and of pods, from 1; its lowest bit is the bank in force */
	__u32 seed; /* of conntrack's hash, so that nobody outside can aim at a set */
	__u32 policy_mask[BANKS]; /* buckets of each bank, less one */
	__u32 endpoint_mask[BANKS][2]; /* the same of endpoints4 and endpoints6 */
	__u32 proxy; /* 1 where a proxy of the node may have sockets of pods' flows (proxy.h) */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mesh_config);
} mesh_config SEC(".maps");

static __always_inline struct mesh_config *mesh_settings(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&mesh_config, &first);
}

/* The generation, to be read once for each packet: all its lookups then see one policy. */
static __always_inline __u32 current_generation(void)
{
	struct mesh_config *found = mesh_settings();

	return found ? *(volatile __u32 *)&found->generation : 0;
}

/* Identities from 16 on stand for label sets (harness/mesh/identity.py); these are reserved. */
enum {
	IDENTITY_HOST = 1, /* this node itself */
	IDENTITY_WORLD = 2, /* an address of no pod */
};

enum endpoint_flag {
	ENDPOINT_LOCAL = 1 << 0, /* a pod of this node */
	ENDPOINT_HOST = 1 << 1, /* an address of this node */
};

struct endpoint {
	__u32 identity;
	__u16 hop; /* index into hops */
	__u16 flags; /* enum endpoint_flag */
	__u16 cidr_class; /* which class of the policies' CIDRs holds the address, 0 for none */
	__u16 pad;
};

#define ENDPOINT_BUCKETS 16384
#define TABLE_WAYS 4
#define TABLE_PROBES 8

struct endpoint_entry4 {
	__be32 address;
	struct endpoint endpoint; /* its identity is 0 where there is no entry */
};

struct endpoint_entry6 {
	struct address address;
	struct endpoint endpoint;
	__u32 pad;
};

struct endpoint_bucket4 {
	struct endpoint_entry4 entry[TABLE_WAYS];
};

struct endpoint_bucket6 {
	struct endpoint_entry6 entry[TABLE_WAYS];
};

/*
 * Addresses of all pods of the cluster and of this node: hash tables in arrays, built by the control plane
 * (harness/mesh/hashtable.py). Index: bank * ENDPOINT_BUCKETS + bucket, so that an address changes hands, with all that
 * rules say of its new owner, between two packets. An entry is in the bucket of its hash, or in one of the next if that is full, so that
 * a lookup touches one cache line or two; a BPF hash map costs twice that (docs/decisions/0013).
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BANKS *ENDPOINT_BUCKETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct endpoint_bucket4);
} endpoints4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BANKS *ENDPOINT_BUCKETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct endpoint_bucket6);
} endpoints6 SEC(".maps");

#define NOWHERE 0xFFFFFFFF

static __always_inline __u32 find_place4(__u32 first, __u32 mask, __be32 address)
{
	__u32 home = spread(mix(0, address));

	for (int probe = 0; probe < TABLE_PROBES; probe++) {
		__u32 index = first + ((home + probe) & mask);
		struct endpoint_bucket4 *bucket = bpf_map_lookup_elem(&endpoints4, &index);

		if (!bucket)
			return NOWHERE;
#pragma unroll
		for (int way = 0; way < TABLE_WAYS; way++) {
			if (!bucket->entry[way].endpoint.identity)
				return NOWHERE;
			if (bucket->entry[way].address == address)
				return index * TABLE_WAYS + way;
		}
	}
	return NOWHERE;
}

static __always_inline __u32 find_place6(__u32 first, __u32 mask, const struct address *address)
{
	__u64 high = address->word[0] | (__u64)address->word[1] << 32;
	__u64 low = address->word[2] | (__u64)address->word[3] << 32;
	__u32 home = spread(mix(mix(0, high), low));

	for (int probe = 0; probe < TABLE_PROBES; probe++) {
		__u32 index = first + ((home + probe) & mask);
		struct endpoint_bucket6 *bucket = bpf_map_lookup_elem(&endpoints6, &index);

		if (!bucket)
			return NOWHERE;
#pragma unroll
		for (int way = 0; way < TABLE_WAYS; way++) {
			if (!bucket->entry[way].endpoint.identity)
				return NOWHERE;
			if (same_address(&bucket->entry[way].address, address))
				return index * TABLE_WAYS + way;
		}
	}
	return NOWHERE;
}

/*
 * Where in its family's table an address is. A global function that returns a number, not a pointer, because the
 * verifier walks such once and not once for each of the places that it may return.
 */
__noinline __u32 find_place(__u32 generation, __u8 family, const struct address *address)
{
	struct mesh_config *settings = mesh_settings();
	__u32 bank = generation & 1, first = bank * ENDPOINT_BUCKETS, *mask;

	if (!settings || !address)
		return NOWHERE;
	mask = bank ? settings->endpoint_mask[1] : settings->endpoint_mask[0];
	if (family == FAMILY_4)
		return find_place4(first, mask[0], address->word[0]);
	return find_place6(first, mask[1], address);
}

/* The endpoint that an address was under a generation, or NULL for the world's. */
static __always_inline struct endpoint *find_endpoint(__u32 generation, __u8 family, const struct address *address)
{
	__u32 place = find_place(generation, family, address), index = place / TABLE_WAYS, way = place % TABLE_WAYS;

	if (family == FAMILY_4) {
		struct endpoint_bucket4 *bucket = bpf_map_lookup_elem(&endpoints4, &index);

		if (!bucket)
			return NULL;
		settle(bucket);
		return &bucket->entry[way].endpoint;
	} else {
		struct endpoint_bucket6 *bucket = bpf_map_lookup_elem(&endpoints6, &index);

		if (!bucket)
			return NULL;
		settle(bucket);
		return &bucket->entry[way].endpoint;
	}
}

enum hop_kind {
	HOP_STACK = 0, /* left to the node's routing */
	HOP_POD = 1, /* into a pod, by the node's end of its veth */
	HOP_WIRE = 2, /* out to another node */
};

/* Hop 0 is the node's routing for addresses that arrive from anywhere. */
struct hop {
	__u32 ifindex; /* where packets for the hop go, and packets from it must come from; 0: any */
	__u16 kind; /* enum hop_kind */
	__u16 mtu; /* 0: nothing fits, all is left to the node's routing */
	__u8 destination_mac[6];
	__u8 source_mac[6];
};

#define HOPS 8192

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HOPS);
	__type(key, __u32);
	__type(value, struct hop);
} hops SEC(".maps");

static __always_inline struct hop *find_hop(__u32 index)
{
	return bpf_map_lookup_elem(&hops, &index);
}
