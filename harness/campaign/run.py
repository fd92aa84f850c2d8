"""Runs a plan: a survey, the blocks in their order, load by load on every arm in turn, and voided rows once more."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.campaign.cell import Outcome, measure
from harness.campaign.journal import Journal
from harness.campaign.knee import at_share, offered
from harness.campaign.observer import Observer
from harness.campaign.plan import LONGER, Arm, Plan, Row
from harness.campaign.reachability import check
from harness.campaign.requests import write_requests
from harness.campaign.rig import Rig, asked_at, attached, labs, put_in_force
from harness.campaign.ticks import whole_ticks
from harness.dataplanes.port import Attachment, CountsPaths, DataPlane, DataPlaneError
from harness.lab.port import Lab, LabError
from harness.meters.port import Meter, MeterError, Subject
from harness.model.bench import BenchScenario, LoadPoint
from harness.model.result import CellKey
from harness.traffic.port import Load, LoadFailed

SURVEY = 0  # the block that checks the matrices and measures maxima, before any block that counts
FAILURES = (LoadFailed, MeterError, LabError, DataPlaneError)


class Campaign:
    """One plan being measured into a folder's journal; records that are already there are not measured again."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        journal: Journal,
        observer: Observer,
        *,
        planes: Mapping[str, DataPlane],
        loads: Mapping[str, Load],
        meters: Sequence[Meter],
        rerun_until: float,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.journal = journal
        self.observer = observer
        self._planes = planes
        self._loads = loads
        self._meters = meters
        self._rerun_until = rerun_until
        self._rates: dict[str, float] = {}

    def run(self) -> None:
        """Measure what is not in the journal yet. Raises CampaignError; a failed cell is journalled, not raised."""
        self.observer.planned(self.plan.cells, len(self._done(1)), self.plan.seconds)
        for scenarios in self._by_topology():
            topology = scenarios[0].topology
            self.observer.began(f"labs {topology.name}: {len(self.plan.arms)} of {len(topology.pods)} pods")
            with labs(self.plan.arms, scenarios) as made:
                self._survey(made, scenarios)
                for block in range(1, self.plan.blocks + 1):
                    self._block(made, block, 1, [row for each in scenarios for row in self.plan.rows_of(block, each)])
                self._rerun(made, scenarios)

    def _by_topology(self) -> Sequence[Sequence[BenchScenario]]:
        groups: dict[str, list[BenchScenario]] = defaultdict(list)
        for scenario in self.plan.scenarios:
            groups[scenario.topology.name].append(scenario)
        return list(groups.values())

    def _survey(self, made: Mapping[str, Lab], scenarios: Sequence[BenchScenario]) -> None:
        """Once an arm: is every policy enforced, and what is the most that each scenario's pair can do?"""
        surveyed = {(r["scenario"], r["arm"]) for r in self.journal.records("survey")}
        for arm in self.plan.arms_of(SURVEY):
            wanted = [
                scenario for scenario in scenarios
                if (scenario.name, arm.name) not in surveyed and arm in self.plan.arms_for(scenario)
            ]  # fmt: skip
            if not wanted:
                continue
            self.observer.began(f"survey of {arm.name}: policy, and the most it can do")
            try:
                plane, lab = self._planes[arm.dataplane], made[arm.name]
                with plane.attach(lab) as attachment:
                    for scenario in wanted:
                        put_in_force(attachment, scenario, plane)
                        rows = [row.as_record() for row in check(scenario, lab, plane, attachment)]
                        self.journal.append(
                            "survey", scenario=scenario.name, arm=arm.name, dataplane=arm.dataplane, matrix=rows,
                            maximum=self._maximum(lab, scenario, plane, attachment),
                        )  # fmt: skip
            except FAILURES as error:
                self.observer.noted(f"{arm.name}: {error}")
                for scenario in wanted:
                    self.journal.append(
                        "survey", scenario=scenario.name, arm=arm.name, dataplane=arm.dataplane, matrix=[], maximum=None,
                        error=str(error),
                    )  # fmt: skip
        for scenario in scenarios:
            self._rates[scenario.name] = self._half_of_slowest(scenario)

    def _maximum(self, lab: Lab, scenario: BenchScenario, plane: DataPlane, attachment: Attachment) -> float | None:
        point = self.plan.needs_maximum(scenario)
        if point is None:
            return None
        outcome = self._once(lab, scenario, point, plane, attachment)
        return next(metric.value for metric in outcome.metrics if metric.name == "throughput")

    def _half_of_slowest(self, scenario: BenchScenario) -> float:
        maxima = [
            record["maximum"] for record in self.journal.records("survey")
            if record["scenario"] == scenario.name and record["maximum"]
        ]  # fmt: skip
        return whole_ticks(min(maxima) / 2) if maxima else 0.0

    def _block(self, made: Mapping[str, Lab], block: int, attempt: int, rows: Sequence[Row]) -> None:
        """Attach every arm and measure those cells of ``rows`` that the journal does not hold.

        A void cell voids its row, so the row's other arms are passed over: the time goes to a rerun.
        """
        done = self._done(attempt)
        left = [(row, [arm for arm in row.arms if _cell(block, row, arm) not in done]) for row in rows]
        left = [(row, arms) for row, arms in left if arms]
        if not left:
            return
        void = self._void(block, attempt)
        self.observer.began(f"block {block}: attaching {len(self.plan.arms)} data planes")
        with attached(self.plan.arms_of(block), made, self._planes) as rig:
            applied = None
            for row, arms in left:
                if applied is not row.scenario:
                    rig.apply(row.scenario, self.plan.arms_for(row.scenario), self._planes)
                    applied = row.scenario
                for number, arm in enumerate(arms):
                    if (row.scenario.name, row.load.name) in void:
                        self.observer.added(number - len(arms))
                        break
                    if self._measure(rig, arm, attempt, _cell(block, row, arm), row).void:
                        void.add((row.scenario.name, row.load.name))

    def _void(self, block: int, attempt: int) -> set[tuple[str, str]]:
        """The scenario and load of every void row of a block."""
        return {
            (record["scenario"], record["load"]) for record in self.journal.records("cell")
            if record["void"] and (record["block"], record["attempt"]) == (block, attempt)
        }  # fmt: skip

    def _measure(self, rig: Rig, arm: Arm, attempt: int, key: CellKey, row: Row) -> Outcome:
        self.observer.began(str(key))
        began = time.monotonic()
        try:
            if arm.name in rig.broken:
                raise DataPlaneError(rig.broken[arm.name])
            plane, attachment = self._planes[arm.dataplane], rig.attachments[arm.name]
            point = at_share(row.load, self.journal, key, attempt)
            outcome = self._once(rig.labs[arm.name], row.scenario, point, plane, attachment)
            outcome = replace(outcome, metrics=[*outcome.metrics, *offered(point)])
        except FAILURES as error:
            outcome = Outcome((), void=str(error))
        if outcome.requests is not None:
            write_requests(self.folder, key, attempt, outcome.requests)
        self._record(key, arm, attempt, row.scenario, row.load, outcome, time.monotonic() - began)
        if outcome.void:
            self.observer.noted(f"{key} is void: {outcome.void}")
        return outcome

    def _once(self, lab: Lab, scenario: BenchScenario, point: LoadPoint, plane: DataPlane, attachment: Attachment) -> Outcome:
        longer = LONGER[self.plan.mode]
        point = replace(point, seconds=point.seconds * longer)
        rate = point.rate if not point.half_of_slowest else self._rates[scenario.name]
        subject = Subject(
            lab, lab.pod(scenario.client), lab.pod(scenario.server), attachment.components(),
            backends=tuple(lab.pod(ref) for ref in scenario.front.backends) if scenario.front is not None else (),
            path_counts=attachment.path_counts if isinstance(attachment, CountsPaths) else None, port=scenario.port,
        )  # fmt: skip
        address, port = asked_at(lab, scenario, plane, point.family)
        return measure(self._loads[point.kind], self._meters, subject, (address, port), point, rate or 0.0)

    def _record(
        self, key: CellKey, arm: Arm, attempt: int, scenario: BenchScenario, point: LoadPoint, outcome: Outcome, seconds: float
    ) -> None:
        self.journal.append(
            "cell", block=key.block, scenario=key.scenario, load=key.load, load_kind=str(point.kind), arm=key.arm,
            dataplane=arm.dataplane, attempt=attempt, void=outcome.void, seconds=round(seconds, 3),
            rate=self._rates[scenario.name] if point.half_of_slowest else point.rate,
            metrics=[[m.name, m.component, m.unit, m.value] for m in outcome.metrics], attachments=dict(outcome.attachments),
        )  # fmt: skip
        self.observer.finished(str(key))

    def _done(self, attempt: int) -> set[CellKey]:
        return {_key(record) for record in self.journal.records("cell") if record["attempt"] == attempt}

    def _rerun(self, made: Mapping[str, Lab], scenarios: Sequence[BenchScenario]) -> None:
        """The void loads of each block once more, on all arms, while there is time."""
        for block in range(1, self.plan.blocks + 1):
            loads = self._void(block, 1)
            if not loads:
                continue
            if time.monotonic() > self._rerun_until:
                self.observer.noted(f"block {block}: no time to run {len(loads)} void loads again")
                continue
            self.observer.noted(f"block {block}: {len(loads)} void loads run again, on every arm")
            rows = [row for each in scenarios for row in self.plan.rows_of(block, each)]
            again = [row for row in rows if (row.scenario.name, row.load.name) in loads]
            self.observer.added(sum(len(row.arms) for row in again))
            self._block(made, block, 2, again)


def _cell(block: int, row: Row, arm: Arm) -> CellKey:
    return CellKey(block, row.scenario.name, row.load.name, arm.name)


def _key(record: Mapping[str, Any]) -> CellKey:
    return CellKey(record["block"], record["scenario"], record["load"], record["arm"])
