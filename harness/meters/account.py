"""A cost ledger that closes: CPU time for each request by component, by place of network work, and of BPF programs.

What each processor does is timed from boundary to boundary (account.c): softirq and interrupts are taken off whom they
interrupted. Network work in softirq is attributed by the namespace of the packet's device, or of the timer's socket, also
where it ran in ksoftirqd, in the idle task or in a kworker. The lines are compared with a total that is made without them.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness.lab.cgroups import cpu_usage, root
from harness.lab.port import Place
from harness.meters import events
from harness.meters.account_probes import probes
from harness.meters.bpf_time import RUN_TIME, Runs, program_runs
from harness.meters.closing import FIRST_LINE, STATISTICS, Fixed, Host, Ledger, ProgramRuns, Timed, Traffic, closed, within
from harness.meters.ledger import cgroups
from harness.meters.libbpf import Held, checked, library, program_info
from harness.meters.port import MeterError, Subject
from harness.meters.tracing import attached, lacking
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult

LINES, HOSTS, KSOFTIRQD = 32, 8, 255  # as in account.c
HOST_NAMES = {
    Host.LAB: "the lab's tasks",
    Host.IDLE: "the idle task",
    Host.KSOFTIRQD: "ksoftirqd",
    Host.KWORKER: "kworkers",
    Host.OTHER: "other tasks",
}


def _visit_processors() -> None:
    """Switch tasks on every processor: what runs there is timed from now on, and up to now."""
    before = os.sched_getaffinity(0)
    try:
        for processor in before:
            os.sched_setaffinity(0, {processor})
            time.sleep(1e-6)
    finally:
        os.sched_setaffinity(0, before)


def _places(subject: Subject) -> Iterator[tuple[str, Place]]:
    """Every place of the lab, with the name of its network work."""
    taken = [subject.client, *subject.servers]
    yield "client-network", subject.client
    yield from (("server-network", each) for each in subject.servers)
    for node in subject.lab.nodes:
        yield "node-network", node
        for pod in (*node.pods, *node.outside):
            if all(pod.netns != each.netns for each in taken):
                yield "other-network", pod


def _inode(path: Path) -> int:
    return path.stat().st_ino


def _ksoftirqd() -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/comm"):
        try:
            if entry.read_text().startswith("ksoftirqd/"):
                found.append(int(entry.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return found


class AccountReading:
    """One ledger, of what happens between begin and end."""

    def __init__(self, held: Held, subject: Subject) -> None:
        self._probes = probes()
        self._bpf = self._probes.bpf
        self._folder = subject.lab.nodes[0].cgroup.parent
        self._cgroups = {_inode(path): name for name, paths in cgroups(subject).items() for path in paths}
        self._spaces = {_inode(place.netns): name for name, place in _places(subject)}
        self._nodes = [_inode(node.netns) for node in subject.lab.nodes]
        self._tasks = list(dict.fromkeys(self._cgroups.values()))
        self._networks = list(dict.fromkeys(self._spaces.values()))
        self._names = [*self._tasks, *self._networks]
        self._programs = {fd: program_info(fd)[0].type for c in subject.components for fd in map(held.program, c.programs)}
        self._tracing = [each.fd for each in self._bpf.funcs.values()]
        self._counting = {events.program().funcs[function].fd: function for function in events.probes().values()}
        self._held = held
        self._attached = ExitStack()
        self._before: dict[int, Runs] = {}
        self._spent: dict[int, Runs] = {}
        self._billed = 0.0

    def begin(self) -> None:
        self._fill()
        self._attached.callback(os.close, checked(library().bpf_enable_stats(RUN_TIME), "switching BPF statistics on"))
        # Where the plane's programs run is counted only where it has any.
        counting = self._probes.counting if self._programs else ()
        self._attached.enter_context(attached(self._bpf, (*counting, *self._probes.probes)))
        _visit_processors()
        self._before = {fd: program_runs(fd) for fd in (*self._programs, *self._tracing, *self._counting)}
        self._billed = cpu_usage(self._folder).usage

    def _fill(self) -> None:
        bpf = self._bpf
        for name in (b"cpus", b"spent", b"runs", b"run_of_thread", b"received", b"queued", b"sent"):
            bpf[name].clear()
        for name in (b"line_of_cgroup", b"line_of_net", b"nodes", b"threads"):
            bpf[name].clear()
        for place, value in enumerate((_inode(self._folder), len(self._folder.relative_to(root()).parts))):
            bpf[b"lab"][place] = bpf[b"lab"].Leaf(value)
        keys = {
            b"line_of_cgroup": {key: self._number(name) for key, name in self._cgroups.items()},
            b"line_of_net": {key: self._number(name) for key, name in self._spaces.items()},
            b"nodes": dict.fromkeys(self._nodes, 1),
            b"threads": dict.fromkeys(_ksoftirqd(), KSOFTIRQD),
        }
        for name, entries in keys.items():
            table = bpf[name]
            for key, value in entries.items():
                table[table.Key(key)] = table.Leaf(value)

    def _number(self, name: str) -> int:
        number = FIRST_LINE + self._names.index(name)
        if number >= LINES:
            raise MeterError(f"the cost ledger has no room for {len(self._names)} lines; it has {LINES - FIRST_LINE}")
        return number

    def end(self) -> None:
        self._billed = cpu_usage(self._folder).usage - self._billed
        after = {fd: program_runs(fd) for fd in self._before}
        _visit_processors()
        self._attached.close()
        self._spent = {fd: after[fd] - before for fd, before in self._before.items()}

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        if not load.count:
            return ()
        share = 1e-9 / load.count
        ledger = closed(self._timed())
        metrics = [Metric("cpu_ledger_per_request", spent * share, "s", line) for line, spent in ledger.lines.items()]
        metrics.append(Metric("cpu_ledger_per_request", ledger.total * share, "s"))
        metrics.append(Metric("cpu_ledger_residual", ledger.residual, "1"))
        metrics += self._beside(ledger, share)
        metrics.append(Metric("cpu_billed_while_traced", self._billed / load.count, "s"))
        return metrics

    def _beside(self, ledger: Ledger, share: float) -> Iterator[Metric]:
        """In whose time network work was done, what each thread ran (with what interrupted it), and what tracing cost."""
        for host, spent in ledger.network_in.items():
            yield Metric("network_time_per_request", spent * share, "s", HOST_NAMES[host])
        for (line, thread), spent in sorted(self._threads().items()):
            yield Metric("thread_time_per_request", spent * share, "s", f"{line}: {thread}")
        yield Metric("tracing_per_request", self._cost_of_tracing() * share, "s")

    def _cost_of_tracing(self) -> float:
        """Nanoseconds that tracing took of the lab's tasks: of this ledger's programs, and of those that count events.

        The kernel's statistics know how long each ran on the whole machine. The lab's part of the ledger's is as its own clock
        says; a counting program is taken at its mean, as often as it counted something of the lab.
        """
        whole = _cost(sum((self._spent[fd] for fd in self._tracing), Runs(0, 0)))
        timed = {host: _sum(self._bpf[b"spent"], Fixed.TRACING * HOSTS + host) for host in Host}
        cost = whole * timed[Host.LAB] / max(sum(timed.values()), 1)
        counted = events.counted()
        for fd, function in self._counting.items():
            runs = self._spent[fd]
            cost += _cost(runs) / max(runs.count, 1) * counted.get(function, 0)
        return cost

    def _timed(self) -> Timed:
        cells = [_sum(self._bpf[b"spent"], place) for place in range(LINES * HOSTS)]

        def spent(number: int, host: Host) -> float:
            return float(cells[number * HOSTS + host])

        tasks = {name: spent(self._number(name), Host.LAB) for name in self._tasks}
        kinds: dict[int, Runs] = {}
        for fd, kind in self._programs.items():
            kinds[kind] = kinds.get(kind, Runs(0, 0)) + self._spent[fd]
        traffic = Traffic(*(self._counted(name) for name in (b"received", b"queued", b"sent")))
        return Timed(
            tasks,
            {(name, host): spent(self._number(name), host) for name in self._networks for host in Host},
            {(fixed, host): spent(fixed, host) for fixed in Fixed for host in Host},
            float(_sum(self._bpf[b"runs"], 0)),
            [
                ProgramRuns(runs.nanoseconds, runs.count, within(kind, traffic, tasks, self._networks))
                for kind, runs in kinds.items()
            ],
        )

    def _counted(self, table: bytes) -> dict[str, float]:
        return {name: float(_sum(self._bpf[table], self._number(name))) for name in self._names}

    def _threads(self) -> Mapping[tuple[str, str], int]:
        names = {FIRST_LINE + place: name for place, name in enumerate(self._names)} | {Fixed.UNNAMED: "no component"}
        return {
            (names[key.line], key.name.decode(errors="replace")): sum(values)
            for key, values in self._bpf[b"run_of_thread"].items()
        }

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        self._attached.close()
        self._held.close()


def _cost(runs: Runs) -> float:
    return runs.nanoseconds + STATISTICS * runs.count


def _sum(table: Any, place: int) -> int:
    return sum(table[place])


class Account:
    """The cost ledger of each request."""

    name = "cost-ledger"
    kinds = frozenset({LoadKind.TRACE.value})

    def available(self) -> str | None:
        return lacking()

    def open(self, subject: Subject) -> AccountReading:
        held = Held()
        try:
            return AccountReading(held, subject)
        except MeterError:
            held.close()
            raise


METERS = (Account(),)
