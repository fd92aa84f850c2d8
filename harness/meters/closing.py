"""The cost ledger's arithmetic: what was timed becomes lines, a total that is made without them, and what is left between.

The total is what the lab's tasks ran, from switch to switch, and the network work for the lab that was done in the time of
others. The lines are charged piece by piece as it happened. None is got by subtraction from the total.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

STATISTICS = 20.0
"""Nanoseconds that the kernel's statistics add to each run of a BPF program (docs/decisions/0103)."""
PROGRAMS = "programs"


class Host(IntEnum):
    """Whose time it was, as in account.c."""

    LAB = 0
    IDLE = 1
    KSOFTIRQD = 2
    KWORKER = 3
    OTHER = 4


class Fixed(IntEnum):
    """Lines of account.c that are no component's and no place's."""

    NOBODY = 0
    UNNAMED = 1
    INTERRUPTS = 2
    SOFTIRQ = 3
    FOREIGN_NETWORK = 4
    TRACING = 5


FIRST_LINE = 6
"""The first number of a line that has a name here."""
IN_LABS_TIME = {
    Fixed.INTERRUPTS: "interrupts",
    Fixed.SOFTIRQ: "interrupts",
    Fixed.FOREIGN_NETWORK: "foreign-network",
    Fixed.TRACING: "tracing",
}
"""What is none of the lab's work, but stopped its tasks: it is in the total, so it is named."""


@dataclass(frozen=True, slots=True)
class ProgramRuns:
    """Runs of BPF programs in one kind of place: nanoseconds, how many, and in whose time as weights by line."""

    nanoseconds: float
    count: int
    within: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Timed:
    """What was read from the kernel, in nanoseconds.

    ``tasks`` and ``networks`` are by line and host; ``fixed`` by number and host; ``ran`` is the switch-to-switch time of
    all of the lab's tasks, those included that no line names.
    """

    tasks: Mapping[str, float]
    networks: Mapping[tuple[str, Host], float]
    fixed: Mapping[tuple[Fixed, Host], float]
    ran: float
    programs: Sequence[ProgramRuns] = ()


@dataclass(frozen=True, slots=True)
class Ledger:
    """Lines and total in nanoseconds; ``network_in`` is the lab's network work by whose time it took."""

    lines: Mapping[str, float]
    total: float
    network_in: Mapping[Host, float]

    @property
    def residual(self) -> float:
        """What no line explains, as a share of the total; negative where lines exceed it. Not a number where nothing ran."""
        return (self.total - sum(self.lines.values())) / self.total if self.total else float("nan")


def closed(timed: Timed) -> Ledger:
    """Draw up the ledger."""
    lines: dict[str, float] = defaultdict(float, timed.tasks)
    network_in: dict[Host, float] = dict.fromkeys(Host, 0.0)
    for (line, host), spent in timed.networks.items():
        lines[line] += spent
        network_in[host] += spent
    for fixed, line in IN_LABS_TIME.items():
        lines[line] += timed.fixed.get((fixed, Host.LAB), 0.0)
    for runs in timed.programs:
        _move(lines, runs)
    total = timed.ran + sum(spent for host, spent in network_in.items() if host is not Host.LAB)
    return Ledger(dict(lines), total, network_in)


def _move(lines: dict[str, float], runs: ProgramRuns) -> None:
    """Take runs off the lines in whose time they were, and give them a line: nothing counts twice."""
    whole = sum(runs.within.values())
    if not whole:
        return  # they stay where they were timed
    statistics = STATISTICS * runs.count
    for line, weight in runs.within.items():
        lines[line] -= (runs.nanoseconds + statistics) * weight / whole
    lines[PROGRAMS] += runs.nanoseconds
    lines[IN_LABS_TIME[Fixed.TRACING]] += statistics


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where programs ran, as counts by line: packets taken in, packets given to devices of nodes, sends to sockets."""

    received: Mapping[str, float]
    queued: Mapping[str, float]
    sent: Mapping[str, float]


SCHED_CLS, XDP, SK_MSG, SYSCALL = 3, 6, 16, 31  # BPF_PROG_TYPE_* of linux/bpf.h
AGENT = "agent"  # how the names of agents end
NODES = "node-network"


def within(kind: int, traffic: Traffic, tasks: Mapping[str, float], networks: Collection[str]) -> Mapping[str, float]:
    """In whose time programs of a type (``BPF_PROG_TYPE_*``) run, as weights by line.

    At devices (tc, XDP), all of which are the nodes': with the packets that nodes take in and hand on, wherever that is done.
    At sends (``sk_msg``): with whoever sends. Called by an agent (``syscall``): in its time. All others, at sockets: with the
    packets that namespaces take in. Where nothing of the kind was counted: with the tasks, by their own time.
    """
    if kind in (SCHED_CLS, XDP):
        weights = dict(traffic.queued)
        weights[NODES] = weights.get(NODES, 0.0) + traffic.received.get(NODES, 0.0)
    elif kind == SK_MSG:
        weights = dict(traffic.sent)
    elif kind == SYSCALL:
        weights = {line: spent for line, spent in tasks.items() if line.endswith(AGENT)}
    else:
        weights = dict(traffic.received)
    known = {line: weight for line, weight in weights.items() if line in tasks or line in networks}
    return known if any(known.values()) else tasks
