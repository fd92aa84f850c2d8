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
PATIENCE = 0.3  # seconds, at least, for what is unanswered when a trial ends: connections have as long to open


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
            short = replace(point, seconds=seconds)
            done = tried(generate(client, address, port, short, rate, _NoGauge(), spin=0.0, timeout=patience), goal)
            asked, missed = asked + done.asked, missed + done.missed
            return done

        began = time.monotonic()
        gauge.begin()
        found = search(goal, point.seconds, trial, time.monotonic)
        gauge.end()
        if found.lower is None:
            raise LoadFailed(_nothing(point.name, goal, found))
        return LoadResult(asked - missed, missed, time.monotonic() - began, _metrics(found.lower, found))


class _NoGauge:
    def begin(self) -> None: ...

    def end(self) -> None: ...


def tried(run: Run, goal: Search) -> Trial:
    """A run as a trial: a request misses without a 2xx answer within the objective, counted from when it was meant to be sent."""
    requests = run.requests
    taken = (requests.done.astype(np.int64) - requests.intended.astype(np.int64)) / 1e9
    met = (requests.done > 0) & (requests.status // 100 == 2) & (taken <= goal.within)
    return Trial(len(met), int(len(met) - np.count_nonzero(met)), run.lag_p99 > LAG_SHARE * goal.within)


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
