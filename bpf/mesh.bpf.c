/* SPDX-License-Identifier: Dual BSD/GPL
 * The mesh's three programs. harness/mesh/agent.py loads one set of them, with maps of its own, for each node.
 */
#include "handle.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int from_pod(struct __sk_buff *skb)
{
	return handle(skb, FROM_POD);
}

SEC("tc")
int to_pod(struct __sk_buff *skb)
{
	/* A node always reaches its own pods, as Kubernetes demands: its kubelet probes them. */
	if (!arrived_by(skb))
		return TC_ACT_OK;
	return handle(skb, TO_POD);
}

SEC("tc")
int from_wire(struct __sk_buff *skb)
{
	return handle(skb, FROM_WIRE);
}
