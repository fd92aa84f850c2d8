/* SPDX-License-Identifier: Dual BSD/GPL
 * Who an address is (identity, from labels) and how it is reached from this node (hop).
 * Both come from the control plane; programs only read them.
 */
#pragma once

#include "net.h"

/* Tables that change with the policy exist twice; the generation's lowest bit says which is in force. */
#define BANKS 2

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
	__u16 cidr_class[BANKS]; /* which class of the policies' CIDRs holds the address, 0 for none */
};

/* Addresses of all pods of the cluster and of this node. Two maps, because a four-byte key costs less to hash. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __be32);
	__type(value, struct endpoint);
} endpoints4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address);
	__type(value, struct endpoint);
} endpoints6 SEC(".maps");

/* The endpoint of an address, or NULL for the world's. */
static __always_inline struct endpoint *find_endpoint(__u8 family, const struct address *address)
{
	if (family == FAMILY_4)
		return bpf_map_lookup_elem(&endpoints4, &address->word[0]);
	return bpf_map_lookup_elem(&endpoints6, address);
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
	__u16 mtu;
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
