"""Where a campaign injects its known effects: in every block, on the control, between a pair that it measures anyway."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.campaign.cell import Outcome
from harness.campaign.journal import Journal
from harness.campaign.known_cells import LOADS, inject, server_share
from harness.campaign.plan import Mode, Plan, Row
from harness.judge.interval import MINIMUM_BLOCKS
from harness.meters.port import Meter, Subject
from harness.model.bench import KNOWN_EFFECTS, BenchScenario, LoadPoint
from harness.traffic.port import Load

RECORD = "known-effects"  # of the journal: what was surveyed for them
HIGHEST_PORT = 65535


def exempt(plan: Plan) -> str | None:
    """Why a campaign need not recover known effects, or None."""
    if plan.mode is Mode.QUICK:
        return "a quick run is exempt: it has no intervals and gives no verdicts"
    if plan.blocks < MINIMUM_BLOCKS:
        return f"fewer than {MINIMUM_BLOCKS} blocks are exempt: they give no intervals and no verdicts"
    return None


class KnownEffects:
    """The rows of a campaign's known effects, none where it is exempt."""

    def __init__(self, plan: Plan, loads: Mapping[str, Load], meters: Sequence[Meter]) -> None:
        self._plan = plan
        self._loads = loads
        self._meters = meters
        self._share: float | None = None
        self.scenario = known_scenario(plan)

    @property
    def cells(self) -> int:
        """How many cells they add to the plan's."""
        return self._plan.blocks * len(LOADS) if self.scenario is not None else 0

    @property
    def seconds(self) -> float:
        """About how long their loads take."""
        return self._plan.blocks * sum(load.seconds + load.warmup for load in LOADS) if self.scenario is not None else 0.0

    def survey(self, subject: Subject, journal: Journal) -> None:
        """Measure, or read from the journal, what the burn is sized by. Raises LoadFailed and what meters raise."""
        for record in journal.records(RECORD):
            self._share = record["server_share"]
        if self._share is None and self.scenario is not None:
            self._share = server_share(subject, self.scenario.port, self._loads, self._meters)
            journal.append(RECORD, server_share=self._share)

    def measure(self, point: LoadPoint, subject: Subject) -> Outcome:
        """One cell. Raises LoadFailed, LabError, MeterError."""
        used = {scenario.port for scenario in self._plan.scenarios}
        free = next(port for port in range(HIGHEST_PORT, 0, -1) if port not in used)
        return inject(point, subject, (subject.port, free), self._share, self._loads, self._meters)


def known_scenario(plan: Plan) -> BenchScenario | None:
    """Between two nodes if any scenario is, for there a path is whole; None where the control takes part in nothing."""
    measured = [scenario for scenario in plan.scenarios if plan.arms[0] in plan.arms_for(scenario)]
    pairs = sorted(measured, key=lambda scenario: scenario.same_node)
    if not pairs or exempt(plan):
        return None
    return replace(
        pairs[0], name=KNOWN_EFFECTS, title="Known effects",
        why="To see whether this campaign finds what it put there itself.",
        policies=(), expectations=(), loads=LOADS, front=None,
    )  # fmt: skip


def known_rows(plan: Plan, topology: str, block: int) -> list[Row]:
    """The known effects' rows of a block of the scenarios on ``topology``, in the block's order."""
    scenario = known_scenario(plan)
    if scenario is None or scenario.topology.name != topology:
        return []
    rows = [Row(scenario, load, plan.arms[:1]) for load in scenario.loads]
    random.Random(f"{plan.seed}/{KNOWN_EFFECTS}/{block}").shuffle(rows)
    return rows
