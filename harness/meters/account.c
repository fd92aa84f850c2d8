/* Whose time each processor spends, from boundary to boundary. For bcc; attached to raw tracepoints, which need no tracefs.
 *
 * A boundary is a switch of tasks, the beginning or end of a softirq or interrupt, and a packet of another namespace within
 * a softirq. At each one the time since the last is charged to a line and a host. The line is whose work it was: that of a
 * cgroup, of a network namespace, or one of the fixed ones below. The host is whose time it was taken from.
 *
 * The total is kept apart: from one switch to the next, whatever came between.
 *
 * Offsets in kernel structures and addresses of functions are the running kernel's: -D flags of account.py. A function or
 * member that this kernel does not have is left out, and what it would have attributed stays in the fixed lines.
 */

#define NET_RX 4 /* vector + 1, so that 0 is no softirq */
#define TIMER 2

enum { HOST_LAB, HOST_IDLE, HOST_KSOFTIRQD, HOST_KWORKER, HOST_OTHER, HOSTS = 8 };

enum {
	LINE_NOBODY,      /* foreign tasks: not counted */
	LINE_UNNAMED,     /* tasks of the lab in no component's cgroup */
	LINE_INTERRUPTS,  /* hardware interrupts, ticks and calls between processors */
	LINE_SOFTIRQ,     /* softirq of no packet and no known timer */
	LINE_FOREIGN_NET, /* packets of namespaces outside of the lab */
	LINE_TRACING,     /* these programs themselves */
	FIRST_LINE,       /* named by user space */
	LINES = 32,
	KSOFTIRQD = 255,  /* in threads: no line, but a host */
};

struct cpu {
	u64 last;    /* end of the last boundary */
	u64 since;   /* end of the last switch; 0 before the first, until when nothing is charged */
	u64 pending; /* of a softirq that has met no packet yet: it is charged with the first */
	u32 irq;     /* depth of interrupts */
	u32 softirq; /* vector + 1 */
	u32 net;     /* line of the packet or timer at work */
};

struct thread {
	u32 line;
	char name[16];
};

BPF_PERCPU_ARRAY(cpus, struct cpu, 1);
BPF_PERCPU_ARRAY(spent, u64, LINES * HOSTS);
BPF_PERCPU_ARRAY(runs, u64, 1);                       /* of the lab's tasks, switch to switch: the total's first part */
BPF_PERCPU_HASH(run_of_thread, struct thread, u64, 1024); /* the same by line and name */
BPF_PERCPU_ARRAY(received, u64, LINES);               /* packets taken in, by the line of their namespace */
BPF_PERCPU_ARRAY(queued, u64, LINES);                 /* packets given to devices of nodes, by the line at work */
BPF_PERCPU_ARRAY(sent, u64, LINES);                   /* sends to sockets, by the line at work */
BPF_ARRAY(lab, u64, 2);                               /* id of the lab's cgroup, and its depth below the root */
BPF_HASH(line_of_cgroup, u64, u32, 1024);
BPF_HASH(line_of_net, u32, u32, 1024);                /* by inode number of the namespace */
BPF_HASH(nodes, u32, u32, 64);                        /* namespaces of nodes */
BPF_HASH(threads, u32, u32, 4096);                    /* ksoftirqd, and kworkers while they do a line's work */

static u32 whose(u32 *line)
{
	u32 first = 0, second = 1, thread = bpf_get_current_pid_tgid(), *found;
	u64 *root = lab.lookup(&first), *depth = lab.lookup(&second), cgroup;

	*line = LINE_NOBODY;
	if (!thread)
		return HOST_IDLE;
	if (root && depth && bpf_get_current_ancestor_cgroup_id(*depth) == *root) {
		cgroup = bpf_get_current_cgroup_id();
		found = line_of_cgroup.lookup(&cgroup);
		*line = found ? *found : LINE_UNNAMED;
		return HOST_LAB;
	}
	found = threads.lookup(&thread);
	if (!found)
		return HOST_OTHER;
	if (*found == KSOFTIRQD)
		return HOST_KSOFTIRQD;
	*line = *found;
	return HOST_KWORKER;
}

static void add(u32 line, u32 host, u64 time)
{
	u32 place = (line & (LINES - 1)) * HOSTS + (host & (HOSTS - 1));
	u64 *sum = spent.lookup(&place);

	if (sum)
		*sum += time;
}

/* Charge what lies behind; the boundary itself begins now, and may be interrupted by another. Returns the host. */
static u32 charge(struct cpu *cpu, u64 now, u32 *line)
{
	u32 host = whose(line), to = *line;
	u64 time = now - cpu->last;

	cpu->last = now;
	if (!cpu->since)
		return host;
	if (cpu->irq)
		to = LINE_INTERRUPTS;
	else if (cpu->softirq && cpu->net)
		to = cpu->net;
	else if (cpu->softirq == NET_RX) {
		cpu->pending += time;
		return host;
	} else if (cpu->softirq)
		to = LINE_SOFTIRQ;
	if (to != LINE_NOBODY)
		add(to, host, time);
	return host;
}

/* The boundary ends here, and its own time is nobody's but the tracing's. */
static void proceed(struct cpu *cpu, u32 host)
{
	u64 now = bpf_ktime_get_ns();

	if (cpu->since)
		add(LINE_TRACING, host, now - cpu->last);
	cpu->last = now;
}

static struct cpu *this_cpu(void)
{
	u32 zero = 0;

	return cpus.lookup(&zero);
}

static u32 inum_of_net(u64 net)
{
	u32 inum = 0;

	bpf_probe_read_kernel(&inum, sizeof(inum), (void *)(net + NS_OF_NET + INUM_OF_NS));
	return inum;
}

static u32 inum_of_skb(u64 skb)
{
	u64 device = 0, net = 0;

	bpf_probe_read_kernel(&device, sizeof(device), (void *)(skb + DEVICE_OF_SKB));
	bpf_probe_read_kernel(&net, sizeof(net), (void *)(device + NET_OF_DEVICE));
	return inum_of_net(net);
}

static u32 *line_of_sock(u64 sock)
{
	u64 net = 0;
	u32 inum;

	bpf_probe_read_kernel(&net, sizeof(net), (void *)(sock + NET_OF_SOCK));
	inum = inum_of_net(net);
	return line_of_net.lookup(&inum);
}

/* The task that leaves the processor is still the current one here. */
int on_switch(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns(), none = 0, since, *sum = 0, *run = 0;
	struct cpu *cpu = this_cpu();
	struct thread thread = {};
	u32 host, zero = 0;

	if (!cpu)
		return 0;
	host = charge(cpu, now, &thread.line);
	cpu->irq = cpu->softirq = cpu->net = 0; /* no switch happens in either */
	since = cpu->since;
	if (since && host == HOST_LAB) {
		bpf_get_current_comm(&thread.name, sizeof(thread.name));
		run = run_of_thread.lookup_or_try_init(&thread, &none);
		sum = runs.lookup(&zero);
	}
	proceed(cpu, host);
	cpu->since = cpu->last; /* this boundary is still in the time of who leaves, as tracing */
	if (run)
		*run += cpu->last - since;
	if (sum)
		*sum += cpu->last - since;
	return 0;
}

int on_softirq_entry(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct cpu *cpu = this_cpu();
	u32 host, line;

	if (!cpu)
		return 0;
	host = charge(cpu, now, &line);
	cpu->softirq = (u32)ctx->args[0] + 1;
	cpu->net = 0;
	cpu->pending = 0;
	proceed(cpu, host);
	return 0;
}

int on_softirq_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct cpu *cpu = this_cpu();
	u32 host, line;

	if (!cpu)
		return 0;
	host = charge(cpu, now, &line);
	if (cpu->pending && cpu->since)
		add(LINE_SOFTIRQ, host, cpu->pending);
	cpu->softirq = cpu->net = 0;
	cpu->pending = 0;
	proceed(cpu, host);
	return 0;
}

/* A packet begins to be received. In a task's own time (TUN) it is the task's work. */
int on_receive(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns(), *sum;
	struct cpu *cpu = this_cpu();
	u32 host, line, net, inum, *found;

	if (!cpu || cpu->softirq != NET_RX || cpu->irq)
		return 0;
	inum = inum_of_skb(ctx->args[0]);
	found = line_of_net.lookup(&inum);
	net = found ? *found : LINE_FOREIGN_NET;
	sum = received.lookup(&net);
	if (sum)
		(*sum)++;
	if (net == cpu->net)
		return 0;
	host = charge(cpu, now, &line);
	cpu->net = net;
	if (cpu->pending && cpu->since)
		add(net, host, cpu->pending);
	cpu->pending = 0;
	proceed(cpu, host);
	return 0;
}

/* TCP takes in a segment: programs may have brought it to another namespace's socket since it was received. */
int on_segment(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct cpu *cpu = this_cpu();
	u32 host, line, *found;

	if (!cpu || cpu->softirq != NET_RX || cpu->irq)
		return 0;
	found = line_of_sock(ctx->args[0]);
	if (!found || *found == cpu->net)
		return 0;
	host = charge(cpu, now, &line);
	cpu->net = *found;
	proceed(cpu, host);
	return 0;
}

#ifdef TCP_TIMERS
/* A timer of a TCP socket of the lab: retransmission, delayed acknowledgement, keep-alive. */
int on_timer_entry(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns(), function = 0, timer = ctx->args[0];
	struct cpu *cpu = this_cpu();
	u32 host, line, *found;

	if (!cpu || cpu->softirq != TIMER || cpu->irq)
		return 0;
	bpf_probe_read_kernel(&function, sizeof(function), (void *)(timer + FUNCTION_OF_TIMER));
	if (function == WRITE_TIMER)
		found = line_of_sock(timer - WRITE_OF_SOCK);
	else if (function == ACK_TIMER)
		found = line_of_sock(timer - ACK_OF_SOCK);
	else if (function == KEEP_TIMER)
		found = line_of_sock(timer - KEEP_OF_SOCK);
	else
		return 0;
	if (!found)
		return 0;
	host = charge(cpu, now, &line);
	cpu->net = *found;
	proceed(cpu, host);
	return 0;
}

int on_timer_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct cpu *cpu = this_cpu();
	u32 host, line;

	if (!cpu || cpu->softirq != TIMER || cpu->irq || !cpu->net)
		return 0;
	host = charge(cpu, now, &line);
	cpu->net = 0;
	proceed(cpu, host);
	return 0;
}
#endif

int on_irq_entry(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct cpu *cpu = this_cpu();
	u32 host, line;

	if (!cpu)
		return 0;
	host = charge(cpu, now, &line);
	cpu->irq++;
	proceed(cpu, host);
	return 0;
}

int on_irq_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct cpu *cpu = this_cpu();
	u32 host, line;

	if (!cpu || !cpu->irq) /* it began before these programs */
		return 0;
	host = charge(cpu, now, &line);
	cpu->irq--;
	proceed(cpu, host);
	return 0;
}

#ifdef PSOCK_WORK
/* The kernel sends what was redirected to another socket from a kworker: work of that socket's namespace. */
int on_work_start(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns(), function = 0, sock = 0, work = ctx->args[0];
	u32 thread = bpf_get_current_pid_tgid(), host, line, *found;
	struct cpu *cpu = this_cpu();

	bpf_probe_read_kernel(&function, sizeof(function), (void *)(work + FUNCTION_OF_WORK));
	if (!cpu || function != PSOCK_WORK || cpu->softirq)
		return 0;
	bpf_probe_read_kernel(&sock, sizeof(sock), (void *)(work - WORK_OF_PSOCK + SOCK_OF_PSOCK));
	found = line_of_sock(sock);
	if (!found)
		return 0;
	host = charge(cpu, now, &line);
	threads.update(&thread, found);
	proceed(cpu, host);
	return 0;
}

int on_work_end(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns();
	u32 thread = bpf_get_current_pid_tgid(), host, line;
	struct cpu *cpu = this_cpu();

	if (!cpu || cpu->softirq || ctx->args[1] != PSOCK_WORK)
		return 0;
	host = charge(cpu, now, &line);
	threads.delete(&thread);
	proceed(cpu, host);
	return 0;
}
#endif

/* Where programs run: those at devices of nodes with the packets, those at sockets with the sends. */
static u32 at_work(void)
{
	struct cpu *cpu = this_cpu();
	u32 line;

	if (cpu && cpu->softirq)
		return cpu->net;
	whose(&line);
	return line;
}

int on_queue(struct bpf_raw_tracepoint_args *ctx)
{
	u32 inum = inum_of_skb(ctx->args[0]), line;
	u64 *sum;

	if (!nodes.lookup(&inum))
		return 0;
	line = at_work();
	sum = queued.lookup(&line);
	if (sum)
		(*sum)++;
	return 0;
}

int on_send(struct bpf_raw_tracepoint_args *ctx)
{
	u32 line = at_work();
	u64 *sum = sent.lookup(&line);

	if (sum && (s32)ctx->args[1] > 0)
		(*sum)++;
	return 0;
}
