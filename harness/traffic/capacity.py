"""Capacity: the highest rate at which a latency objective holds, searched by short open loops."""

import time
from dataclasses import replace

import numpy as np

from harness.lab.port import LabPod
from harness.model.bench import LoadKind, LoadPoint, Search
from harness.model.result import Metric
from harness.traffic.generator import Run, generate
from harness.traffic.knee_search import Found, Limit, Trial, search
from harness.traffic.port import Gauge, LoadFailed, LoadResult

LAG_SHARE = 0.1  # of the objective: a generator later than this at its p99 may have made a miss
FEWEST = 2  # requests that may miss in a trial: where one decides, a trial says little; slow ones last longer for that
BUSY = 0.85  # of a processor: beyond it the generator's own work is what its answers wait for
PATIENCE = 0.3  # seconds, at least, for what is unanswered when a trial ends: connections have as long to open


BEYOND = 1.5  # times what a closed loop gets: no objective holds there, and no trial need overwhelm a plane more than that
SETTLE = 0.2  # seconds without load after a trial that a plane could not answer: what it left behind is not the next one's


class Capacity:
    """Trials sleep until a send, unlike latency loads: polling would take the processor that the plane is to be tried with."""

    kind = str(LoadKind.CAPACITY)

    def run(
        self,
        client: LabPod,
        server: LabPod,
        port: int,
        point: LoadPoint,
        rate: float,
        gauge: Gauge,
        *,
        address: str | None = None,
    ) -> LoadResult:
        goal = point.search
        if goal is None:
            raise LoadFailed(f"load {point.name}: a capacity needs an objective; none was given")
        address = address or server.pod.ip(point.family)
        asked = missed = 0

        def trial(rate: float, seconds: float) -> Trial:
            nonlocal asked, missed
            patience = max(PATIENCE, 2 * goal.within)
            enough = FEWEST / (1 - goal.percent / 100) / rate
            short = replace(point, seconds=max(seconds, enough))
            before = _used(client)
            run = generate(client, address, port, short, rate, _NoGauge(), spin=0.0, timeout=patience)
            done = tried(run, goal, _used(client) - before)
            asked, missed = asked + done.asked, missed + done.missed
            if done.missed > done.asked / 2:
                time.sleep(SETTLE)
            return done

        began = time.monotonic()
        gauge.begin()
        closed = generate(client, address, port, replace(point, seconds=goal.trial), 0.0, _NoGauge(), spin=0.0)
        most = BEYOND * closed.answered / closed.seconds
        bounded = replace(goal, highest=min(goal.highest, max(most, 2 * goal.lowest)))
        left = point.seconds - (time.monotonic() - began)
        found = search(bounded, left, trial, time.monotonic)
        gauge.end()
        if found.lower is None:
            raise LoadFailed(_nothing(point.name, goal, found))
        return LoadResult(asked - missed, missed, time.monotonic() - began, _metrics(found.lower, found))


class _NoGauge:
    def begin(self) -> None: ...

    def end(self) -> None: ...


def _used(client: LabPod) -> float:
    """CPU time of the pod's generators until now, in seconds."""
    try:
        stat = (client.component_cgroup("client") / "cpu.stat").read_text().split()
    except FileNotFoundError:  # before the first one
        return 0.0
    return int(stat[stat.index("usage_usec") + 1]) / 1e6


def tried(run: Run, goal: Search, used: float) -> Trial:
    """A run as a trial. A request misses without a 2xx answer within the objective, counted from when it was meant to be sent.

    ``used`` is the CPU time that the generator took for it, in seconds. It is late where its lag may have made a miss, or
    where it was busy nearly all the time: sends are on time then, but answers lie unread.
    """
    requests = run.requests
    taken = (requests.done.astype(np.int64) - requests.intended.astype(np.int64)) / 1e9
    met = (requests.done > 0) & (requests.status // 100 == 2) & (taken <= goal.within)
    late = run.lag_p99 > LAG_SHARE * goal.within or used > BUSY * _lasted(run)
    return Trial(len(met), int(len(met) - np.count_nonzero(met)), late)


def _lasted(run: Run) -> float:
    """Seconds from the first intended send to the last answer or the end, warm-up included."""
    return run.seconds + (run.begin - int(run.records["intended"][0])) / 1e9 if len(run.records) else run.seconds


def _metrics(lower: float, found: Found) -> tuple[Metric, ...]:
    upper = float("inf") if found.upper is None else found.upper
    return (
        Metric("capacity", lower, "1/s"),
        Metric("capacity_upper", upper, "1/s"),
        Metric("capacity_at_least", float(found.limit is not Limit.NONE), "searches"),
        Metric("capacity_trials", found.trials, "trials"),
        Metric("capacity_void_trials", found.void, "trials"),
    )


def _nothing(name: str, goal: Search, found: Found) -> str:
    tried = f"load {name}: after {found.trials} trials no rate is known at which {goal.percent:g} % are answered"
    if found.limit is Limit.NONE:
        return f"{tried} within {goal.within:g} s; try a lowest below {goal.lowest:g}"
    return f"{tried} within {goal.within:g} s, as {found.limit}"


LOADS = (Capacity(),)
