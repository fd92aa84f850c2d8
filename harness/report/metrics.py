"""What each metric is called in a report, and which way is better."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricText:
    """``label`` stands alone in tables and plots; ``noun`` goes after a plane's name: "ebpf's CPU per request"."""

    label: str
    noun: str
    lower_is_better: bool = True


METRICS: dict[str, MetricText] = {
    "latency_p50": MetricText("Latency p50", "p50 latency"),
    "latency_p90": MetricText("Latency p90", "p90 latency"),
    "latency_p99": MetricText("Latency p99", "p99 latency"),
    "latency_p999": MetricText("Latency p99.9", "p99.9 latency"),
    "latency_max": MetricText("Latency maximum", "longest latency"),
    "latency_mean": MetricText("Latency mean", "mean latency"),
    "late_share": MetricText("Answers over 100 ms late", "share of answers that took over 100 ms"),
    "service_time_p50": MetricText("Service time p50", "p50 service time"),
    "cpu_per_request": MetricText("CPU per request", "CPU per request"),
    "cpu_user_per_request": MetricText("User CPU per request", "user CPU per request"),
    "cpu_system_per_request": MetricText("System CPU per request", "system CPU per request"),
    "cpu_per_gigabyte": MetricText("CPU per gigabyte", "CPU per gigabyte"),
    "throughput": MetricText("Throughput", "throughput", lower_is_better=False),
    "capacity": MetricText("Capacity", "capacity", lower_is_better=False),
    "capacity_upper": MetricText("Lowest rate beyond the capacity", "lowest rate beyond the capacity", lower_is_better=False),
    "capacity_at_least": MetricText("Searches that ended with at least", "share of open-ended searches"),
    "capacity_trials": MetricText("Trials of a search", "trials"),
    "capacity_void_trials": MetricText("Void trials of a search", "void trials"),
    "offered": MetricText("Offered rate", "offered rate", lower_is_better=False),
    "bulk": MetricText("Bulk transfer", "bulk rate", lower_is_better=False),
    "pss": MetricText("Memory (PSS)", "memory (PSS)"),
    "bpf_memory": MetricText("Memory of BPF", "memory of BPF programs and maps"),
    "context_switches": MetricText("Context switches per request", "context switches per request"),
    "syscalls": MetricText("System calls per request", "system calls per request"),
    "cpu_ledger_per_request": MetricText("Cost ledger per request", "CPU per request by the cost ledger"),
    "cpu_ledger_residual": MetricText("Residual of the cost ledger", "residual of the cost ledger"),
    "copies": MetricText("Copies to user per request", "copies to user per request"),
    "copies_from_user": MetricText("Copies from user per request", "copies from user per request"),
    "stack_traversals": MetricText("Stack traversals per request", "stack traversals per request"),
    "bpf_run_time": MetricText("Time per BPF program run", "time per BPF program run"),
    "bpf_time_per_request": MetricText("BPF time per request", "BPF time per request"),
    "path_per_request": MetricText("Requests by path", "share of requests"),
    "backend_share": MetricText("Share of a backend", "share of requests"),
    "lag_p99": MetricText("Generator's own lag p99", "generator lag p99"),
    "errors": MetricText("Failed requests", "failed requests"),
    "memory": MetricText("Memory, processes and kernel", "memory"),
    "idle_cpu": MetricText("Processors used while idle", "idle CPU"),
    "start_up": MetricText("From attaching to the first answer", "start-up time"),
    "pod_start_up": MetricText("From adding a pod to its first answer", "start-up time of one more pod"),
    "policy_change": MetricText("Policy change until said to be in force", "time of a policy change"),
    "policy_change_seen": MetricText("Policy change until nothing more got through", "time of a policy change as seen"),
    "policy_change_late": MetricText("Let through after that was said", "flows let through late"),
    "packet_time_known": MetricText("Packet of a known flow", "time of a packet of a known flow"),
    "packet_time_judged": MetricText("Packet that policy judges", "time of a packet that policy judges"),
    "packet_time_base": MetricText("What measuring a packet takes", "time of the measuring itself"),
    "policy_apply": MetricText("Applying the policy", "time of applying the policy"),
    "flows_lost": MetricText("Flow events lost", "flow events lost"),
}

HEADLINE = ("latency_p50", "latency_p99", "cpu_per_request", "throughput", "capacity", "bulk")
"""What the first table and the sentences are about."""


def metric_text(name: str) -> MetricText:
    """The texts of a metric; one that this report does not know is shown under its own name."""
    plain = name.replace("_", " ")
    return METRICS.get(name, MetricText(plain[:1].upper() + plain[1:], plain))


METERS: dict[str, tuple[str, ...]] = {
    "latency": ("latency_p50",),
    "cpu": ("cpu_per_request",),
    "memory": ("pss",),
    "events": ("context_switches", "syscalls", "stack_traversals"),
    "cost-ledger": ("cpu_ledger_per_request",),
    "bpf-time": ("bpf_run_time",),
    "bpf-memory": ("bpf_memory",),
}
"""What a reader misses where a meter could not read."""
