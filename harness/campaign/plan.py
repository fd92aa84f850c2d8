"""What a campaign will measure, and in which order. Pure: the same plan and seed give the same order."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from harness.model.bench import BenchScenario, LoadKind, LoadPoint

DEFAULT_BLOCKS = 10  # from 9 on the interval leaves out the most extreme block at each end, and one may be void


class Mode(StrEnum):
    """How much is measured."""

    QUICK = "quick"  # one block, few loads: indicative, no verdicts
    DEFAULT = "default"  # ten blocks within a quarter of an hour
    FULL = "full"  # three times the blocks, for what is noisy: intervals of a few per cent


BLOCKS = {Mode.QUICK: 1, Mode.DEFAULT: DEFAULT_BLOCKS, Mode.FULL: 27}
NOISY = (LoadKind.LATENCY, LoadKind.COST, LoadKind.CAPACITY)
"""Loads at a stated rate: their ratios differ from block to block by 5 to 15 %, those of saturated machines by 1 to 5 %.

So a full campaign measures these in every block, and all others in about as many as a default campaign has. A capacity is among
them because loads at a share of it are.
"""
PLACEMENT = "no process is bound to a processor, on any plane; the open-loop generator runs first (SCHED_FIFO)"
QUICK_KINDS = (
    LoadKind.LATENCY,
    LoadKind.COST,
    LoadKind.TRACE,
    LoadKind.MAXIMUM,
    LoadKind.CLOSED,
    LoadKind.BLOCKING,
    LoadKind.CAPACITY,
)
QUICK_PLANES = ("plain", "sidecar", "ebpf")
DEFAULT_PLANES = ("plain", "sidecar", "sidecar-mtls", "ebpf", "ebpf-sockmap")


@dataclass(frozen=True, slots=True)
class Arm:
    """One attachment that is compared: a data plane, or the second half (``name#2``) of the A/A pair."""

    name: str
    dataplane: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A scenario that is not measured on a data plane, and why."""

    scenario: str
    dataplane: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """One load of a scenario on every arm that can do it, one after the other: what a block compares."""

    scenario: BenchScenario
    load: LoadPoint
    arms: Sequence[Arm]


@dataclass(frozen=True, slots=True)
class Plan:
    """A campaign: scenarios by arms by blocks. ``only``: names and patterns of loads; without any, all are measured."""

    mode: Mode
    scenarios: tuple[BenchScenario, ...]
    arms: tuple[Arm, ...]
    blocks: int
    seed: int
    unsupported: tuple[Unsupported, ...] = ()
    only: tuple[str, ...] = ()

    def arms_for(self, scenario: BenchScenario) -> Sequence[Arm]:
        """The arms on which the scenario is measured, in the plan's order."""
        return [arm for arm in self.arms if self._measures(scenario, arm)]

    def _measures(self, scenario: BenchScenario, arm: Arm) -> bool:
        return all((each.scenario, each.dataplane) != (scenario.name, arm.dataplane) for each in self.unsupported)

    def arms_of(self, block: int, row: int = 0) -> Sequence[Arm]:
        """The arms in the order of a block's row, which is one load on every arm in turn.

        One random order is rotated by a place from block to block and from row to row, and drawn anew when the blocks have
        come round, so that over as many blocks as there are arms each arm stands once in each place of each row.
        """
        turn, place = divmod(block, len(self.arms))
        order = list(self.arms)
        random.Random(f"{self.seed}/arms/{turn}").shuffle(order)
        place = (place + row) % len(order)
        return order[place:] + order[:place]

    def rows_of(self, block: int, scenario: BenchScenario) -> Sequence[Row]:
        """What the block measures of the scenario, in the block's order."""
        if not self.arms_for(scenario):
            return []
        rows = [
            Row(scenario, load, [arm for arm in self.arms_of(block, number) if self._measures(scenario, arm)])
            for number, load in enumerate(self.loads(scenario))
            if (block + number) % self._every(load) == 0
        ]
        random.Random(f"{self.seed}/loads/{block}/{scenario.name}").shuffle(rows)
        return sorted(rows, key=lambda row: row.load.share is not None)  # a share is of what the block has found before it

    def _every(self, load: LoadPoint) -> int:
        """In every how many-th block the load is measured."""
        return 1 if load.kind in NOISY or self.mode is not Mode.FULL else math.ceil(self.blocks / DEFAULT_BLOCKS)

    def loads(self, scenario: BenchScenario) -> Sequence[LoadPoint]:
        """The loads that this campaign measures, as the scenario lists them."""
        loads = chosen(scenario, self.only)
        if self.mode is Mode.QUICK:
            return [load for load in loads if load.kind in QUICK_KINDS and not load.half_of_slowest]
        return loads

    def needs_maximum(self, scenario: BenchScenario) -> LoadPoint | None:
        """The load whose slowest result sets half of the maximum, where a load of the scenario asks for that."""
        if not any(load.half_of_slowest for load in self.loads(scenario)):
            return None
        return next(load for load in scenario.loads if load.kind is LoadKind.MAXIMUM)

    @property
    def cells(self) -> int:
        """How many cells there are to measure, without the survey."""
        return sum(len(row.arms) for row in self._rows())

    def _rows(self) -> Iterator[Row]:
        for block in range(1, self.blocks + 1):
            for scenario in self.scenarios:
                yield from self.rows_of(block, scenario)

    @property
    def seconds(self) -> float:
        """About how long the loads take, warm-ups and the survey included, attachments not."""
        total = sum(len(row.arms) * (row.load.seconds + row.load.warmup) for row in self._rows())
        for scenario in self.scenarios:
            survey = self.needs_maximum(scenario)
            total += len(self.arms_for(scenario)) * (survey.seconds + survey.warmup) if survey else 0.0
        return total


def plan(
    scenarios: Sequence[BenchScenario],
    dataplanes: Sequence[str],
    mode: Mode,
    *,
    blocks: int | None,
    seed: int,
    unsupported: Sequence[Unsupported] = (),
    only: Sequence[str] = (),
) -> Plan:
    """A campaign over ``dataplanes`` (none given: the mode's own) with an A/A pair of the first, except in a quick run.

    A scenario of which ``only`` names no load takes no part.
    """
    names = list(dict.fromkeys(dataplanes)) or list(QUICK_PLANES if mode is Mode.QUICK else DEFAULT_PLANES)
    arms = [Arm(name, name) for name in names]
    if mode is not Mode.QUICK:
        arms.append(Arm(f"{names[0]}#2", names[0]))
    measured = tuple(scenario for scenario in scenarios if not only or chosen(scenario, only))
    return Plan(mode, measured, tuple(arms), blocks or BLOCKS[mode], seed, tuple(unsupported), tuple(only))


def chosen(scenario: BenchScenario, only: Sequence[str]) -> Sequence[LoadPoint]:
    """The loads of a scenario that are named or match (``latency-*``), with the capacity that a chosen share is of."""
    named = {load.name for load in scenario.loads if not only or any(fnmatchcase(load.name, each) for each in only)}
    named |= {load.share.of for load in scenario.loads if load.name in named and load.share is not None}
    return [load for load in scenario.loads if load.name in named]
