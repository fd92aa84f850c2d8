"""Kernel events for each request: context switches, system calls and copies by component, stack traversals by place.

Tasks are attributed by cgroup. Packets are attributed by the network namespace of their device, never by cgroup: the
kernel receives a packet in whichever task it interrupted. A *stack traversal* is a packet handed to a device
(``net_dev_queue``) or taken from one (``netif_receive_skb``); a segment of several packets (GSO, GRO) is one.

Only raw tracepoints are used: they need neither kprobes nor tracefs. Programs are loaded once a process and attached
only between begin and end, so that nothing but the load that is traced pays for them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any

from harness.lab.port import Place
from harness.meters.btf import KernelTypes
from harness.meters.ledger import cgroups
from harness.meters.port import Subject
from harness.meters.tracing import attached, compiled, lacking, offsets
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult

PROBES = {
    b"sched_switch": b"on_switch",
    b"sys_enter": b"on_syscall",
    b"net_dev_queue": b"on_queue",
    b"netif_receive_skb": b"on_receive",
    b"skb_copy_datagram_iovec": b"on_copy",
    b"sock_recv_length": b"on_read",
    b"sock_send_length": b"on_send",
}
SINCE_6_3 = {b"sock_recv_length": "copies_from_queues", b"sock_send_length": "copies_from_user"}
"""Tracepoints of Linux 6.3 and later, and what is not known without them."""
OFFSETS = {
    "DEVICE_OF_SKB": ("sk_buff", "dev"),
    "NET_OF_DEVICE": ("net_device", "nd_net"),
    "NS_OF_NET": ("net", "ns"),
    "INUM_OF_NS": ("ns_common", "inum"),
}
TASK_METRICS = {
    "context_switches": ("switches",),
    "syscalls": ("syscalls",),
    "copies": ("copied", "queue_read"),
    "copies_from_queues": ("queue_read",),
    "copies_from_user": ("sent",),
}
PACKET_METRICS = {
    "net_dev_queue": ("queued",),
    "netif_receive_skb": ("received",),
    "stack_traversals": ("queued", "received"),
}
"""The counters of events.c that add up to each metric."""


@cache
def probes() -> Mapping[bytes, bytes]:
    """Tracepoints that this kernel has, each with its function."""
    with KernelTypes() as kernel:
        return {
            point: function for point, function in PROBES.items() if point not in SINCE_6_3 or kernel.traces(point.decode())
        }


@cache
def program() -> Any:
    """The compiled and loaded probes, attached to nothing; a fifth of a second the first time. Raises MeterError."""
    return compiled("events.c", offsets(OFFSETS), list(probes().values()))


def counted() -> Mapping[bytes, int]:
    """How often each function counted something in the latest reading."""
    fields: dict[bytes, dict[bytes, Sequence[str]]] = {
        b"tasks": {
            b"on_switch": ("switches",),
            b"on_syscall": ("syscalls",),
            b"on_copy": ("copied",),
            b"on_read": ("copied", "queue_read"),
            b"on_send": ("sent",),
        },
        b"packets": {b"on_queue": ("queued",), b"on_receive": ("received",)},
    }
    counts: dict[bytes, int] = {}
    for table, functions in fields.items():
        entries = [each for _, per_cpu in program()[table].items() for each in per_cpu]
        for function, names in functions.items():
            counts[function] = sum(getattr(entry, name) for entry in entries for name in names)
    return counts


class EventsReading:
    """Counts between begin and end. Both keys, cgroup ids and namespace inodes, are inode numbers of files."""

    def __init__(self, subject: Subject) -> None:
        self._bpf = program()
        self._cgroups = {path.stat().st_ino: name for name, paths in cgroups(subject).items() for path in paths}
        self._namespaces = {_inode(place): name for place, name in _places(subject)}
        self._attached = ExitStack()
        self._tasks: dict[str, dict[str, int]] = {}
        self._packets: dict[str, dict[str, int]] = {}

    def begin(self) -> None:
        self._bpf[b"reading"].clear()
        for table, keys in ((self._bpf[b"tasks"], self._cgroups), (self._bpf[b"packets"], self._namespaces)):
            table.clear()
            for key in keys:
                table[table.Key(key)] = table.Leaf()  # a structure of zeros for each CPU
        self._attached.enter_context(attached(self._bpf, probes().items()))

    def end(self) -> None:
        self._attached.close()
        self._tasks = _sums(self._bpf[b"tasks"], self._cgroups, TASK_METRICS)
        self._packets = _sums(self._bpf[b"packets"], self._namespaces, PACKET_METRICS)

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        if not load.count:
            return ()
        unknown = {metric for point, metric in SINCE_6_3.items() if point not in probes()}
        counted = [(name, self._tasks) for name in TASK_METRICS if name not in unknown] + [
            (name, self._packets) for name in PACKET_METRICS
        ]
        metrics: list[Metric] = []
        for name, counts in counted:
            values = {component: counts[component][name] / load.count for component in counts}
            metrics += [Metric(name, value, "1", component) for component, value in values.items()]
            metrics.append(Metric(name, sum(values.values()), "1"))
        return metrics

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        self._attached.close()


def _places(subject: Subject) -> Iterator[tuple[Place, str]]:
    yield subject.client, "client-pod"
    yield from ((each, "server-pod") for each in subject.servers)
    for node in subject.lab.nodes:
        yield node, "nodes"


def _inode(place: Place) -> int:
    return place.netns.stat().st_ino


def _sums(table: Any, labels: Mapping[int, str], names: Mapping[str, Sequence[str]]) -> dict[str, dict[str, int]]:
    """Counts over all CPUs by label, under the metrics' names."""
    sums = {label: dict.fromkeys(names, 0) for label in labels.values()}
    for key, per_cpu in table.items():
        for name, fields in names.items():
            sums[labels[key.value]][name] += sum(getattr(counts, field) for counts in per_cpu for field in fields)
    return sums


class Events:
    """Context switches, system calls, copies and stack traversals for each request."""

    name = "events"
    kinds = frozenset({LoadKind.TRACE.value})

    def available(self) -> str | None:
        return lacking()

    def open(self, subject: Subject) -> EventsReading:
        return EventsReading(subject)


METERS = (Events(),)
