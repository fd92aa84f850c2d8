/* SPDX-License-Identifier: Dual BSD/GPL
 * Data between two pods of one node goes from socket to socket instead of through TCP (docs/decisions/0030 to 0033).
 *
 * sockmap_enter runs before from_pod and lets sockets join; sockmap_send chooses the way of each message;
 * sockmap_receive puts what still comes by TCP into the same queue, so that a reader sees one stream.
 */
#include "session.h"
#include "stream.h"
#include "verdict.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define TCX_NEXT (-1)
/* The first packets of an undecided socket are all looked at, then those whose number is a power of two. */
#define EAGER_PACKETS 128

/* What may wait in a socket: bytes, and messages (a struct sk_msg each, however short). */
const volatile __u32 queue_bytes = 256 << 10;
const volatile __u32 queue_messages = 1024;

/* Set when the mesh is detached: sockets that have entered then use TCP only, until they close. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} detached SEC(".maps");

/* Whether the program has sent or read: only then does it use the socket in the mode that it means to. */
static __always_inline bool in_use(const struct tcp_sock *tcp)
{
	return tcp->bytes_sent || tcp->bytes_received != tcp->rcv_nxt - tcp->copied_seq;
}

/*
 * What the kernel's path for redirected data does not honour: a protocol such as TLS on the socket, a low-water mark,
 * and notices of completion for MSG_ZEROCOPY.
 */
static __always_inline bool has_special_needs(const struct tcp_sock *tcp)
{
	const struct sock *sk = &tcp->inet_conn.icsk_inet.sk;
	unsigned long zerocopy = 1UL << bpf_core_enum_value(enum sock_flags, SOCK_ZEROCOPY);

	return FIELD(tcp, inet_conn.icsk_ulp_ops) || FIELD(sk, sk_rcvlowat) > 1 || FIELD(sk, __sk_common.skc_flags) & zerocopy;
}

/* The packet's fields, if it is a plain segment of `sk` as both ends see the connection, without translation between. */
static __always_inline bool describe(struct __sk_buff *skb, struct bpf_sock *sk, struct packet *p)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (parse_v4(skb, p) || p->source.word[0] != sk->src_ip4 || p->destination.word[0] != sk->dst_ip4)
			return false;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct address source = {{sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]}};
		struct address destination = {{sk->dst_ip6[0], sk->dst_ip6[1], sk->dst_ip6[2], sk->dst_ip6[3]}};

		if (parse_v6(skb, p) || !same_address(&p->source, &source) ||
		    !same_address(&p->destination, &destination))
			return false;
	} else {
		return false;
	}
	p->tcp_flags = 0;
	return p->protocol == IPPROTO_TCP && p->kind == PACKET_CONTINUES && !p->flags &&
	       p->source_port == bpf_htons(sk->src_port) && p->destination_port == sk->dst_port;
}

/* The socket at the other end of `p`'s connection, if it has come to the rendezvous and is open. */
static __always_inline bool find_peer(const struct packet *p, struct socket_name *peer)
{
	struct socket_name *found;
	struct sock_common *common;
	struct connection_end end;

	name_end(&end, p, false);
	found = bpf_map_lookup_elem(&rendezvous, &end);
	if (!found)
		return false;
	*peer = *found;
	/* An earlier connection may have had the same addresses and ports. */
	common = &KERNEL(struct tcp_sock, peer->socket)->inet_conn.icsk_inet.sk.__sk_common;
	return FIELD(common, skc_cookie.counter) == peer->cookie && FIELD(common, skc_state) == TCP_ESTABLISHED;
}

static __always_inline void consider(struct __sk_buff *skb, struct bpf_sock *sk, struct session *session)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u32 generation = current_generation();
	struct socket_name self, peer;
	struct endpoint *to;
	struct packet p = {};
	struct connection_end end;

	if (!tcp || !in_use(tcp) || !nonblocking(&tcp->inet_conn.icsk_inet.sk))
		return;
	if (has_special_needs(tcp))
		return;
	if (!describe(skb, sk, &p) || check_source(skb, find_endpoint(generation, p.family, &p.source), FROM_POD))
		return;
	to = find_endpoint(generation, p.family, &p.destination);
	if (!to || !(to->flags & ENDPOINT_LOCAL)) {
		session->settled = true;
		return;
	}
	self.socket = (__u64)tcp;
	self.cookie = bpf_get_socket_cookie(skb);
	name_end(&end, &p, true);
	bpf_map_update_elem(&rendezvous, &end, &self, BPF_ANY);
	if (!find_peer(&p, &peer))
		return;
	session->flow = p;
	session->cookie = self.cookie;
	session->peer = peer.socket;
	session->peer_cookie = peer.cookie;
	session->settled = true;
	count_census(bpf_map_update_elem(&sockets, &self.cookie, sk, BPF_NOEXIST) ? SOCKETS_REFUSED : SOCKETS_ENTERED);
}

/*
 * At the node's end of a pod's veth. It runs on the receiving side of the veth's backlog, where the packet still
 * belongs to the socket that sent it, but that socket's lock is not held: so it may be put into a map.
 */
SEC("tc")
int sockmap_enter(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct session *session;

	if (!sk)
		return TCX_NEXT;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_TCP || sk->state != BPF_TCP_ESTABLISHED)
		return TCX_NEXT;
	session = bpf_sk_storage_get(&sessions, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!session || session->settled)
		return TCX_NEXT;
	session->packets += 1;
	if (session->packets <= EAGER_PACKETS || !(session->packets & (session->packets - 1)))
		consider(skb, sk, session);
	return TCX_NEXT;
}

/*
 * Whether all that `self` sent by TCP is in the peer's one queue. Its rcv_nxt and that queue change under the peer's
 * lock, which the redirection takes before it queues: what is seen as arrived here is queued by then.
 */
static __always_inline bool in_order(const struct tcp_sock *self, const struct tcp_sock *peer)
{
	const struct sock *sk = &peer->inet_conn.icsk_inet.sk;
	const struct sk_psock *psock = KERNEL(struct sk_psock, (__u64)FIELD(sk, sk_user_data) & PSOCK_POINTER);

	return FIELD(peer, rcv_nxt) == self->write_seq && !FIELD(sk, sk_receive_queue.qlen) && !FIELD(psock, ingress_skb.qlen);
}

static __always_inline __u32 choose(struct sk_msg_md *msg, struct session *session)
{
	struct tcp_sock *self = bpf_skc_to_tcp_sock(msg->sk);
	struct tcp_sock *peer = KERNEL(struct tcp_sock, session->peer);
	struct sock *sk = &peer->inet_conn.icsk_inet.sk;
	__u32 first = 0, *off = bpf_map_lookup_elem(&detached, &first);
	__u32 queued = FIELD(sk, sk_backlog.rmem_alloc.counter);

	if (!self || !off || *off)
		return PATH_DETACHED;
	if (FIELD(sk, __sk_common.skc_cookie.counter) != session->peer_cookie || !FIELD(sk, sk_socket))
		return PATH_PEER_ABSENT;
	if (!nonblocking(sk))
		return PATH_PEER_BLOCKING;
	if (has_special_needs(self) || has_special_needs(peer))
		return PATH_SPECIAL;
	/* Redirected data shows no packet to conntrack, yet keeps the connection alive there. */
	if (!ct_keep(&session->flow))
		return PATH_POLICY;
	if (!in_order(self, peer))
		return PATH_ORDER;
	if (!queued)
		session->burst = 0;
	if (queued >= queue_bytes || session->burst >= queue_messages)
		return PATH_QUEUE_FULL;
	if (bpf_msg_redirect_hash(msg, &sockets, &session->peer_cookie, BPF_F_INGRESS) != SK_PASS)
		return PATH_PEER_ABSENT;
	session->burst += 1;
	return PATH_REDIRECTED;
}

/* Every message of a socket that has entered. What is not redirected is sent by TCP: nothing is refused here. */
SEC("sk_msg")
int sockmap_send(struct sk_msg_md *msg)
{
	struct session *session = bpf_sk_storage_get(&sessions, msg->sk, NULL, 0);

	if (session)
		count_path(choose(msg, session), msg->size);
	return SK_PASS;
}

/* Every TCP segment of a socket that has entered, on its way into the queue of redirected messages. */
SEC("sk_skb/stream_verdict")
int sockmap_receive(struct __sk_buff *skb)
{
	switch (trim_repeated(skb)) {
	case TRIMMED:
		count_census(SEGMENTS_TRIMMED);
		break;
	case UNTRIMMED:
		count_census(SEGMENTS_TRIMMED);
		count_census(SEGMENTS_UNTRIMMED);
	}
	return SK_PASS;
}
