"""What a scaling run will measure, and in which order. Pure: the same plan and seed give the same order."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from harness.campaign.plan import Mode, Unsupported
from harness.model.scaling import ScalingScenario, Varied

QUICK_BLOCKS = 2  # of two or three points: enough for a line to look at, and for no verdict
DEFAULT_SEED = 1


@dataclass(frozen=True, slots=True)
class Spot:
    """One measurement: a point of a scenario on a data plane, in one block."""

    block: int
    scenario: ScalingScenario
    point: int
    dataplane: str

    @property
    def load(self) -> str:
        """What stands after the scenario's name in a cell: ``40`` of pods, or ``requests`` where nothing grows."""
        return "requests" if self.scenario.vary is Varied.DATAPLANE else str(self.point)

    def __str__(self) -> str:
        return f"block {self.block} {self.scenario.name}/{self.load} on {self.dataplane}"


@dataclass(frozen=True, slots=True)
class ScalingPlan:
    """A scaling run. ``dataplanes``, where given, are the only ones that are measured."""

    mode: Mode
    scenarios: tuple[ScalingScenario, ...]
    seed: int
    dataplanes: tuple[str, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()

    def blocks_of(self, scenario: ScalingScenario) -> int:
        """How often each point of the scenario is measured."""
        return QUICK_BLOCKS if self.mode is Mode.QUICK else scenario.blocks

    def points_of(self, scenario: ScalingScenario) -> Sequence[int]:
        """The points that this mode measures; one, 0, where nothing grows."""
        if scenario.vary is Varied.DATAPLANE:
            return (0,)
        return scenario.quick_points if self.mode is Mode.QUICK else scenario.points

    def planes_of(self, scenario: ScalingScenario) -> Sequence[str]:
        """The data planes on which the scenario is measured."""
        lacking = {each.dataplane for each in self.unsupported if each.scenario == scenario.name}
        return [
            name for name in scenario.dataplanes
            if name not in lacking and (not self.dataplanes or name in self.dataplanes)
        ]  # fmt: skip

    def spots(self) -> list[Spot]:
        """All measurements: blocks one after another, and within each everything in an order of its own."""
        found = []
        for block in range(1, max((self.blocks_of(each) for each in self.scenarios), default=0) + 1):
            inside = [
                Spot(block, scenario, point, name)
                for scenario in self.scenarios
                if block <= self.blocks_of(scenario)
                for point in self.points_of(scenario)
                for name in self.planes_of(scenario)
            ]
            random.Random(f"{self.seed}/scaling/{block}").shuffle(inside)
            found += inside
        return found


def twice_measured(plan: ScalingPlan) -> tuple[ScalingScenario, ScalingScenario] | None:
    """Two scenarios of one plan that measure one thing on one data plane under one condition: their lines would share an id."""
    first: dict[tuple[object, ...], ScalingScenario] = {}
    for scenario in plan.scenarios:
        if scenario.vary is Varied.DATAPLANE:
            continue
        condition = scenario.clusters if scenario.vary is Varied.PODS else max(scenario.points)
        for name in plan.planes_of(scenario):
            for measured in scenario.measure:
                earlier = first.setdefault((scenario.vary, condition, name, measured), scenario)
                if earlier is not scenario:
                    return earlier, scenario
    return None


def scaling_plan(
    known: Sequence[ScalingScenario], mode: Mode, *, seed: int, dataplanes: Sequence[str] = (), named: bool = False
) -> ScalingPlan:
    """A run over ``known``. A quick run leaves out those without points for it, unless they were ``named`` by the user."""
    if mode is Mode.QUICK:
        kept = [each for each in known if each.quick_points or (named and each.vary is Varied.DATAPLANE)]
        known = kept
    return ScalingPlan(mode, tuple(known), seed, tuple(dict.fromkeys(dataplanes)))
