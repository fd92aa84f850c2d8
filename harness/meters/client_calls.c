/* When a client calls send(2), and when its recv(2) ends. For bcc; attached to the raw tracepoints of system calls.
 *
 * Only calls of one cgroup are kept, until user space reads them. The stamp of an entry is taken first and that of an exit
 * last: what this program costs lies between the two, and so in the client's own figure as well as in this one.
 *
 * NUMBER, FIRST, SECOND and THIRD are offsets of the call's number and arguments in the running kernel's registers.
 */
#include <asm/unistd.h>

#define KEPT 32    /* bytes of a request's end, where its number is */
#define PAGES 16384 /* of room */

struct call {
	u64 time; /* ns of CLOCK_MONOTONIC */
	u32 fd;
	u32 sends;
	char tail[KEPT];
};

BPF_RINGBUF_OUTPUT(calls, PAGES);
BPF_ARRAY(lost, u64, 1);
BPF_ARRAY(client, u64, 1); /* id of its cgroup */

static bool is_clients(void)
{
	u32 zero = 0;
	u64 *wanted = client.lookup(&zero);

	return wanted && bpf_get_current_cgroup_id() == *wanted;
}

static u64 in_register(u64 registers, u32 offset)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)(registers + offset));
	return value;
}

static struct call *new_call(void)
{
	struct call *call = calls.ringbuf_reserve(sizeof(*call));
	u32 zero = 0;
	u64 *count = call ? 0 : lost.lookup(&zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	return call;
}

int on_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u64 now = bpf_ktime_get_ns(), registers = ctx->args[0], size;
	struct call *call;

	if (ctx->args[1] != __NR_sendto || !is_clients())
		return 0;
	size = in_register(registers, THIRD);
	call = size < KEPT ? 0 : new_call();
	if (!call)
		return 0;
	call->time = now;
	call->fd = in_register(registers, FIRST);
	call->sends = 1;
	bpf_probe_read_user(call->tail, KEPT, (void *)(in_register(registers, SECOND) + size - KEPT));
	calls.ringbuf_submit(call, BPF_RB_NO_WAKEUP);
	return 0;
}

/* A call that brought nothing ended no answer. */
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 registers = ctx->args[0];
	struct call *call;

	if ((s64)ctx->args[1] <= 0 || !is_clients() || in_register(registers, NUMBER) != __NR_recvfrom)
		return 0;
	call = new_call();
	if (!call)
		return 0;
	call->fd = in_register(registers, FIRST);
	call->sends = 0;
	call->time = bpf_ktime_get_ns();
	calls.ringbuf_submit(call, BPF_RB_NO_WAKEUP);
	return 0;
}
