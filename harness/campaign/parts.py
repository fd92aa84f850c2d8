"""What is handed out as a whole: one block of a topology's scenarios, and which of them a journal still lacks.

Nothing smaller is handed out, because cells are paired within a block: two machines in one would be compared with each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from harness.campaign.journal import Journal, Record
from harness.campaign.known_effects import known_rows, known_scenario
from harness.campaign.plan import Plan, Row
from harness.model.bench import BenchScenario

HERE = ""
"""The worker of a record that the campaign's own process measured."""


@dataclass(frozen=True, slots=True)
class Part:
    """A block of the scenarios on one topology; ``block`` 0 is the survey of a machine."""

    topology: str
    block: int

    def __str__(self) -> str:
        return f"block {self.block}" if self.block else "survey"


class Standing(Enum):
    """How much of a part a journal holds."""

    MISSING = "missing"
    HALF = "half"
    WHOLE = "whole"


def by_topology(plan: Plan) -> Mapping[str, Sequence[BenchScenario]]:
    """The plan's scenarios by the topology that they share, in the plan's order."""
    groups: dict[str, list[BenchScenario]] = {}
    for scenario in plan.scenarios:
        groups.setdefault(scenario.topology.name, []).append(scenario)
    return groups


def parts(plan: Plan) -> Sequence[Part]:
    """Every part of the plan that counts, in the plan's order."""
    return [Part(topology, block) for topology in by_topology(plan) for block in range(1, plan.blocks + 1)]


def rows(plan: Plan, part: Part) -> Sequence[Row]:
    """What a part measures, in its order."""
    scenarios = by_topology(plan)[part.topology]
    return [
        *known_rows(plan, part.topology, part.block),
        *(row for each in scenarios for row in plan.rows_of(part.block, each)),
    ]


def cells(journal: Journal) -> Sequence[Record]:
    """The journal's cells, oldest first, without those that were thrown away later."""
    held: list[Record] = []
    for record in journal.records("cell", "thrown away"):
        if record["kind"] == "cell":
            held.append(record)
        else:
            gone = {(record["block"], scenario) for scenario in record["scenarios"]}
            held = [cell for cell in held if (cell["block"], cell["scenario"]) not in gone]
    return held


def worker_of(record: Record) -> str:
    """Which worker a record is of."""
    return str(record.get("worker", HERE))


def standings(plan: Plan, journal: Journal) -> Mapping[Part, tuple[Standing, str]]:
    """How much of each part the journal holds, and the worker that measured it (``HERE`` where none has)."""
    topology_of = {scenario.name: scenario.topology.name for scenario in _measured(plan)}
    held: dict[Part, list[Record]] = {}
    for record in cells(journal):
        held.setdefault(Part(topology_of[record["scenario"]], record["block"]), []).append(record)
    return {part: _standing(rows(plan, part), held.get(part, [])) for part in parts(plan)}


def _measured(plan: Plan) -> Sequence[BenchScenario]:
    """The plan's scenarios, and that of the known effects."""
    known = known_scenario(plan)
    return plan.scenarios if known is None else [*plan.scenarios, known]


def _standing(wanted: Sequence[Row], held: Sequence[Record]) -> tuple[Standing, str]:
    if not held:
        return Standing.MISSING, HERE
    first = [record for record in held if record["attempt"] == 1]
    void = {(record["scenario"], record["load"]) for record in first if record["void"]}
    measured = {(record["scenario"], record["load"], record["arm"]) for record in first}
    whole = all(
        (row.scenario.name, row.load.name) in void or (row.scenario.name, row.load.name, arm.name) in measured
        for row in wanted
        for arm in row.arms
    )
    return Standing.WHOLE if whole else Standing.HALF, worker_of(held[0])


def throw_away(plan: Plan, journal: Journal, part: Part, worker: str, reason: str, *, unseen: int = 0) -> int:
    """Journal that a part's cells do not count, so that it is measured anew as a whole; how many there are.

    ``unseen``: so many more were measured, and never reached the journal.
    """
    names = [scenario.name for scenario in _measured(plan) if scenario.topology.name == part.topology]
    held = [record for record in cells(journal) if record["block"] == part.block and record["scenario"] in names]
    count = unseen + len(held)
    journal.append("thrown away", block=part.block, scenarios=names, cells=count, worker=worker, reason=reason)
    return count
