"""The lines of a scaling run: for each scenario, data plane and metric, what one more of what is varied costs."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.campaign.scaling.entries import condition as of_entries
from harness.campaign.scaling.plan import ScalingPlan
from harness.judge.lines import line_through
from harness.model.scaling import ScalingScenario, Varied

if TYPE_CHECKING:
    import pandas as pd

ONE = {Varied.PODS: "pod", Varied.POLICY_ENTRIES: "entry"}
COUNTED = {Varied.PODS: "pods", Varied.POLICY_ENTRIES: "policy entries"}
NO_COSTS = ("policy_change_late", "packet_time_base", "throughput", "errors")
"""What is measured beside costs that grow: what went wrong, what measuring itself takes, and a rate, which falls."""


def condition(scenario: ScalingScenario, dataplane: str) -> str:
    """What does not change from point to point, in words."""
    return f"{scenario.clusters} clusters" if scenario.vary is Varied.PODS else of_entries(scenario, dataplane)


def fit_id(metric: str, scenario: ScalingScenario, dataplane: str) -> str:
    """``memory-per-pod/sidecar/100-clusters``: the metric, what it is counted by, the plane, and the condition.

    Programs find a fit by it (docs/scaling.md): it does not depend on the scenario's name.
    """
    what = f"{metric.replace('_', '-')}-per-{ONE[scenario.vary]}"
    return "/".join([what, dataplane, condition(scenario, dataplane).replace(" ", "-")])


def fits(plan: ScalingPlan, figures: "pd.DataFrame") -> Iterator[dict[str, Any]]:
    """The rows of run.json's ``fits``, in the order of scenarios, metrics and data planes."""
    counted = figures[figures["void"].isna() & (figures["component"] == "")]
    for scenario in plan.scenarios:
        if scenario.vary is Varied.DATAPLANE:
            continue
        mine = counted[counted["scenario"] == scenario.name]
        for metric in mine["metric"].unique():
            if metric in NO_COSTS:
                continue
            for name in plan.planes_of(scenario):
                rows = mine[(mine["metric"] == metric) & (mine["dataplane"] == name)]
                if len(rows):
                    yield _fit(scenario, str(metric), name, rows)


def _fit(scenario: ScalingScenario, metric: str, dataplane: str, rows: "pd.DataFrame") -> dict[str, Any]:
    by_point: dict[float, list[float]] = {}
    for load, value in zip(rows["load"], rows["value"], strict=True):
        by_point.setdefault(float(load), []).append(float(value))
    points = sorted(by_point)
    line = line_through(by_point)
    return {
        "id": fit_id(metric, scenario, dataplane), "scenario": scenario.name, "title": scenario.title,
        "dataplane": dataplane, "metric": metric, "unit": str(rows["unit"].iloc[0]), "x": COUNTED[scenario.vary],
        "x_values": points, "values": [by_point[point] for point in points], "condition": condition(scenario, dataplane),
        **asdict(line),
    }  # fmt: skip
