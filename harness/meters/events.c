/* Kernel events of a lab, counted where they happen. For bcc; attached to raw tracepoints, which need no tracefs.
 *
 * A count is kept only for keys that user space has entered, so that what the rest of the machine does costs a lookup.
 * DEVICE_OF_SKB, NET_OF_DEVICE, NS_OF_NET and INUM_OF_NS are offsets in the running kernel, from its BTF.
 */

struct of_tasks {
	u64 switches; /* away from a task of the cgroup, preempted or not */
	u64 syscalls;
};

struct of_packets {
	u64 queued;   /* net_dev_queue: handed to a device for sending */
	u64 received; /* netif_receive_skb: entered the stack from a device */
};

BPF_PERCPU_HASH(tasks, u64, struct of_tasks, 8192);     /* by id of the cgroup (v2) */
BPF_PERCPU_HASH(packets, u32, struct of_packets, 8192); /* by inode number of the network namespace */

/* The task that leaves the CPU is still the current one here. */
int on_switch(struct bpf_raw_tracepoint_args *ctx)
{
	u64 cgroup = bpf_get_current_cgroup_id();
	struct of_tasks *counts = tasks.lookup(&cgroup);

	if (counts)
		counts->switches++;
	return 0;
}

int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	u64 cgroup = bpf_get_current_cgroup_id();
	struct of_tasks *counts = tasks.lookup(&cgroup);

	if (counts)
		counts->syscalls++;
	return 0;
}

static struct of_packets *packets_of(u64 skb)
{
	u64 device = 0, net = 0;
	u32 inum = 0;

	bpf_probe_read_kernel(&device, sizeof(device), (void *)(skb + DEVICE_OF_SKB));
	bpf_probe_read_kernel(&net, sizeof(net), (void *)(device + NET_OF_DEVICE));
	bpf_probe_read_kernel(&inum, sizeof(inum), (void *)(net + NS_OF_NET + INUM_OF_NS));
	return packets.lookup(&inum);
}

int on_queue(struct bpf_raw_tracepoint_args *ctx)
{
	struct of_packets *counts = packets_of(ctx->args[0]);

	if (counts)
		counts->queued++;
	return 0;
}

int on_receive(struct bpf_raw_tracepoint_args *ctx)
{
	struct of_packets *counts = packets_of(ctx->args[0]);

	if (counts)
		counts->received++;
	return 0;
}
