/* Kernel events of a lab, counted where they happen. For bcc; attached to raw tracepoints, which need no tracefs.
 *
 * A count is kept only for keys that user space has entered, so that what the rest of the machine does costs a lookup.
 * DEVICE_OF_SKB, NET_OF_DEVICE, NS_OF_NET and INUM_OF_NS are offsets in the running kernel, from its BTF.
 */

struct of_tasks {
	u64 switches; /* away from a task of the cgroup, preempted or not */
	u64 syscalls;
	u64 copied; /* packets copied to a task (skb_copy_datagram_iovec) */
	u64 queue_read; /* reads from a socket's own queue, where programs put what they redirect: no packet was copied */
	u64 sent; /* sends to sockets */
};

struct of_packets {
	u64 queued;   /* net_dev_queue: handed to a device for sending */
	u64 received; /* netif_receive_skb: entered the stack from a device */
};

BPF_PERCPU_HASH(tasks, u64, struct of_tasks, 8192);     /* by id of the cgroup (v2) */
BPF_PERCPU_HASH(packets, u32, struct of_packets, 8192); /* by inode number of the network namespace */

BPF_HASH(reading, u32, u32, 8192); /* threads that a packet was copied to in the read that they are in */

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

static struct of_tasks *of_current(void)
{
	u64 cgroup = bpf_get_current_cgroup_id();

	return tasks.lookup(&cgroup);
}

int on_copy(struct bpf_raw_tracepoint_args *ctx)
{
	struct of_tasks *counts = of_current();
	u32 thread = bpf_get_current_pid_tgid(), one = 1;

	if (counts) {
		counts->copied++;
		reading.update(&thread, &one);
	}
	return 0;
}

int on_read(struct bpf_raw_tracepoint_args *ctx)
{
	struct of_tasks *counts = of_current();
	u32 thread = bpf_get_current_pid_tgid();

	if (!counts)
		return 0;
	if (reading.lookup(&thread))
		reading.delete(&thread);
	else if ((s32)ctx->args[1] > 0)
		counts->queue_read++;
	return 0;
}

int on_send(struct bpf_raw_tracepoint_args *ctx)
{
	struct of_tasks *counts = of_current();

	if (counts && (s32)ctx->args[1] > 0)
		counts->sent++;
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
