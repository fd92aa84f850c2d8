/* SPDX-License-Identifier: Dual BSD/GPL
 * Later fragments carry no ports: they are judged as the first fragment of their packet was.
 */
#pragma once

#include "conntrack.h"

struct fragment_key {
	struct address source;
	struct address destination;
	__be32 id;
	__u8 family;
	__u8 protocol; /* 0 for IPv6, where the identification alone names a packet (RFC 8200 section 4.5) */
	__u8 pad[2];
};

struct fragment_entry {
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 kind;
	__u8 pad[2];
	__u32 seen;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct fragment_key);
	__type(value, struct fragment_entry);
} fragments SEC(".maps");

/* As long as Linux waits for the rest of a packet, in ct_now() units. */
#define FRAGMENT_LIFETIME 30

/* A later fragment that starts before this could rewrite the ports or flags that were judged (RFC 3128). */
#define TRANSPORT_UNITS 3

static __always_inline void fragment_key(struct fragment_key *key, const struct packet *p)
{
	key->source = p->source;
	key->destination = p->destination;
	key->id = p->fragment_id;
	key->family = p->family;
	key->protocol = p->family == FAMILY_4 ? p->protocol : 0;
	key->pad[0] = key->pad[1] = 0;
}

/* Gives a later fragment the ports and the kind of its first. */
static __always_inline int fragment_resolve(struct packet *p)
{
	struct fragment_key key;
	struct fragment_entry *first;

	fragment_key(&key, p);
	first = bpf_map_lookup_elem(&fragments, &key);
	if (!first || ct_now() - first->seen > FRAGMENT_LIFETIME)
		return DROP_FRAGMENT_UNKNOWN;
	if (first->protocol == IPPROTO_TCP && p->fragment_offset < TRANSPORT_UNITS)
		return DROP_FRAGMENT_TINY;
	p->source_port = first->source_port;
	p->destination_port = first->destination_port;
	p->protocol = first->protocol;
	p->kind = first->kind;
	return DROP_NONE;
}

/* Remembers an allowed first fragment. A packet of TCP goes on as one in mid-stream, whatever its first part was. */
static __always_inline void fragment_remember(const struct packet *p)
{
	struct fragment_entry entry = {
		.source_port = p->source_port,
		.destination_port = p->destination_port,
		.protocol = p->protocol,
		.kind = p->protocol == IPPROTO_TCP ? PACKET_CONTINUES : p->kind,
		.seen = ct_now(),
	};
	struct fragment_key key;

	fragment_key(&key, p);
	bpf_map_update_elem(&fragments, &key, &entry, BPF_ANY);
}
