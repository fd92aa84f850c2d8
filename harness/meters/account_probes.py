"""The probes of account.c: compiled for the running kernel, and which tracepoints they are attached to there."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.meters import events
from harness.meters.btf import KernelTypes
from harness.meters.port import MeterError
from harness.meters.tracing import bcc, compiled, offsets

OFFSETS = {
    **events.OFFSETS,
    "NET_OF_SOCK": ("sock_common", "skc_net"),
    "FUNCTION_OF_TIMER": ("timer_list", "function"),
    "FUNCTION_OF_WORK": ("work_struct", "func"),
}
TIMERS = {
    "WRITE": ("tcp_write_timer", "inet_connection_sock", "icsk_retransmit_timer"),
    "ACK": ("tcp_delack_timer", "inet_connection_sock", "icsk_delack_timer"),
    "KEEP": ("tcp_keepalive_timer", "sock", "sk_timer"),
}
"""TCP's timers: the function, and where in its structure the timer is."""
INTERRUPTS = ("irq_handler", "local_timer", "reschedule", "call_function", "call_function_single", "irq_work")
"""Pairs of tracepoints; all but the first are x86's."""


@dataclass(frozen=True, slots=True)
class Probes:
    """The compiled probes, and what of them this kernel can have attached, in that order."""

    bpf: Any
    probes: Sequence[tuple[bytes, bytes]]
    counting: Sequence[tuple[bytes, bytes]]


@cache
def probes() -> Probes:
    """Compiled and loaded, attached to nothing; once a process. Raises MeterError."""
    flags, timers, psock = offsets(OFFSETS), _timers(), _psock()
    with KernelTypes() as kernel:
        interrupts = [pair for pair in INTERRUPTS if kernel.traces(f"{pair}_entry")]
        sends = kernel.traces("sock_send_length")  # from Linux 6.3
    # Ends before beginnings: an end without its beginning changes nothing, a beginning without its end would last.
    probes = [("softirq_exit", "on_softirq_exit"), *((f"{pair}_exit", "on_irq_exit") for pair in interrupts)]
    if timers:
        probes += [("timer_expire_exit", "on_timer_exit"), ("timer_expire_entry", "on_timer_entry")]
    if psock:
        probes += [("workqueue_execute_end", "on_work_end"), ("workqueue_execute_start", "on_work_start")]
    probes += [("softirq_entry", "on_softirq_entry"), *((f"{pair}_entry", "on_irq_entry") for pair in interrupts)]
    probes += [("netif_receive_skb", "on_receive"), ("sched_switch", "on_switch")]
    counting = [
        ("tcp_probe", "on_segment"),
        ("net_dev_queue", "on_queue"),
        *([("sock_send_length", "on_send")] if sends else []),
    ]
    encoded = [[(point.encode(), function.encode()) for point, function in each] for each in (probes, counting)]
    functions = list(dict.fromkeys(function for each in encoded for _, function in each))
    return Probes(compiled("account.c", [*flags, *timers, *psock], functions), *encoded)


def _timers() -> list[str]:
    """Flags for TCP's timers; none where this kernel has others."""
    flags = ["-DTCP_TIMERS"]
    for name, (function, struct, member) in TIMERS.items():
        try:
            flags += offsets({f"{name}_OF_SOCK": (struct, member)})
        except MeterError:
            return []  # kept elsewhere from Linux 6.19
        address = bcc().ksymname(function.encode())
        if address <= 0:
            return []
        flags.append(f"-D{name}_TIMER={address:#x}ULL")
    return flags


def _psock() -> list[str]:
    """Flags for the work of sockets that programs redirect between; none where this kernel does not name it."""
    address = bcc().ksymname(b"sk_psock_backlog")
    if address <= 0:
        return []
    members = {"WORK_OF_PSOCK": ("sk_psock", "work"), "SOCK_OF_PSOCK": ("sk_psock", "sk")}
    return [f"-DPSOCK_WORK={address:#x}ULL", *offsets(members)]
