"""Runs a plan: a survey, the blocks in their order, load by load on every arm in turn, and voided rows once more."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.campaign.cell import Outcome, measure
from harness.campaign.folder import planned
from harness.campaign.journal import Journal
from harness.campaign.knee import at_share, offered
from harness.campaign.known_effects import KnownEffects
from harness.campaign.machines import digest
from harness.campaign.observer import Observer
from harness.campaign.parts import HERE, Part, Standing, by_topology, cells, standings, throw_away, worker_of
from harness.campaign.parts import rows as rows_of_part
from harness.campaign.plan import Arm, Plan, Row
from harness.campaign.rates import digests, half_of_slowest
from harness.campaign.reachability import check
from harness.campaign.requests import write_requests
from harness.campaign.rig import Rig, asked_at, attached, labs, put_in_force
from harness.dataplanes.port import Attachment, CountsPaths, DataPlane, DataPlaneError
from harness.lab.port import Lab, LabError
from harness.meters.port import Meter, MeterError, Subject
from harness.model.bench import KNOWN_EFFECTS, BenchScenario, LoadPoint
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
        self._known = KnownEffects(plan, loads, meters)

    def run(self) -> None:
        """Measure what is not in the journal yet. Raises CampaignError; a failed cell is journalled, not raised."""
        self._leave_halves_of_others()
        self.observer.planned(self.plan.cells + self._known.cells, len(self._done(1)), self.plan.seconds + self._known.seconds)
        for scenarios in by_topology(self.plan).values():
            with self._labs(scenarios) as made:
                self._survey(made, scenarios)
                here = planned(self.journal)["fingerprint"]
                known = digests(self.journal, here)
                self._rates |= {each.name: half_of_slowest(self.journal, each.name, digest(here), known) for each in scenarios}
                for block in range(1, self.plan.blocks + 1):
                    self._block(made, block, 1, self._rows(scenarios, block))
                self._rerun(made, scenarios, range(1, self.plan.blocks + 1))

    def measure(self, part: Part, rates: Mapping[str, float]) -> None:
        """Measure one part alone, void loads once more with it: what a worker does. ``rates`` are by scenario."""
        scenarios = by_topology(self.plan)[part.topology]
        self._rates |= rates
        with self._labs(scenarios) as made:
            if part.block == SURVEY:
                self._survey(made, scenarios)
                return
            self._survey_known(made, scenarios)
            self._block(made, part.block, 1, rows_of_part(self.plan, part))
            self._rerun(made, scenarios, [part.block])

    @contextmanager
    def _labs(self, scenarios: Sequence[BenchScenario]) -> Iterator[Mapping[str, Lab]]:
        topology = scenarios[0].topology
        self.observer.began(f"labs {topology.name}: {len(self.plan.arms)} of {len(topology.pods)} pods")
        with labs(self.plan.arms, scenarios) as made:
            yield made

    def _rows(self, scenarios: Sequence[BenchScenario], block: int) -> Sequence[Row]:
        return rows_of_part(self.plan, Part(scenarios[0].topology.name, block))

    def _leave_halves_of_others(self) -> None:
        """A block that a worker has only half measured is measured here as a whole: two machines in one are not paired."""
        for part, (standing, worker) in standings(self.plan, self.journal).items():
            if standing is Standing.HALF and worker != HERE:
                count = throw_away(self.plan, self.journal, part, worker, "half measured by a worker, measured anew here")
                self.observer.noted(f"{part}: {count} cells of worker {worker} thrown away; it is measured here as a whole")

    def _survey(self, made: Mapping[str, Lab], scenarios: Sequence[BenchScenario]) -> None:
        """Once an arm: is every policy enforced, and what is the most that each scenario's pair can do?"""
        surveyed = {(r["scenario"], r["arm"]) for r in self.journal.records("survey") if worker_of(r) == HERE}
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
        self._survey_known(made, scenarios)

    def _survey_known(self, made: Mapping[str, Lab], scenarios: Sequence[BenchScenario]) -> None:
        known, arm = self._known.scenario, self.plan.arms[0]
        if known is None or known.topology.name != scenarios[0].topology.name:
            return
        try:
            with self._planes[arm.dataplane].attach(made[arm.name]) as attachment:
                put_in_force(attachment, known, self._planes[arm.dataplane])
                self._known.survey(_subject(made[arm.name], known, attachment), self.journal)
        except FAILURES as error:
            self.observer.noted(f"known effects: {error}")

    def _maximum(self, lab: Lab, scenario: BenchScenario, plane: DataPlane, attachment: Attachment) -> float | None:
        point = self.plan.needs_maximum(scenario)
        if point is None:
            return None
        outcome = self._once(lab, scenario, point, plane, attachment)
        return next(metric.value for metric in outcome.metrics if metric.name == "throughput")

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
                    rig.apply(row.scenario, row.arms, self._planes)
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
            (record["scenario"], record["load"]) for record in cells(self.journal)
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
        subject = _subject(lab, scenario, attachment)
        if scenario.name == KNOWN_EFFECTS:
            return self._known.measure(point, subject)
        rate = point.rate if not point.half_of_slowest else self._rates[scenario.name]
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
        return {_key(record) for record in cells(self.journal) if record["attempt"] == attempt}

    def _rerun(self, made: Mapping[str, Lab], scenarios: Sequence[BenchScenario], blocks: Iterable[int]) -> None:
        """The void loads of each block once more, on all arms, while there is time. Not of blocks that workers measured."""
        names = [scenario.name for scenario in scenarios]
        elsewhere = {
            record["block"] for record in cells(self.journal) if record["scenario"] in names and worker_of(record) != HERE
        }
        for block in blocks:
            loads = self._void(block, 1)
            if not loads or block in elsewhere:
                continue
            if time.monotonic() > self._rerun_until:
                self.observer.noted(f"block {block}: no time to run {len(loads)} void loads again")
                continue
            self.observer.noted(f"block {block}: {len(loads)} void loads run again, on every arm")
            again = [row for row in self._rows(scenarios, block) if (row.scenario.name, row.load.name) in loads]
            self.observer.added(sum(len(row.arms) for row in again))
            self._block(made, block, 2, again)


def _subject(lab: Lab, scenario: BenchScenario, attachment: Attachment) -> Subject:
    return Subject(
        lab, lab.pod(scenario.client), lab.pod(scenario.server), attachment.components(),
        backends=tuple(lab.pod(ref) for ref in scenario.front.backends) if scenario.front is not None else (),
        path_counts=attachment.path_counts if isinstance(attachment, CountsPaths) else None, port=scenario.port,
    )  # fmt: skip


def _cell(block: int, row: Row, arm: Arm) -> CellKey:
    return CellKey(block, row.scenario.name, row.load.name, arm.name)


def _key(record: Mapping[str, Any]) -> CellKey:
    return CellKey(record["block"], record["scenario"], record["load"], record["arm"])
