"""A scaling run summed up and reported, from cells whose figures are made to be known."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.journal import CampaignError
from harness.campaign.plan import Mode
from harness.campaign.scaling.plan import ScalingPlan, scaling_plan
from harness.campaign.scaling.run import begin, resume
from harness.campaign.scaling.summary import summarise
from harness.dataplanes import find
from harness.model.origin import Origin
from harness.model.scaling import Measured, ScalingScenario, Varied
from harness.report import summary_text, write_reports
from harness.report.run import Run, read_run
from harness.report.scaling import residual, scaling_text, verdict
from harness.report.scaling_rows import FitRow

MIB = float(1 << 20)
HERE = Origin("s.yaml", 1)
PODS = ScalingScenario("pods", "Sidecars", "w", HERE, Varied.PODS, (2, 10, 40), ("sidecar",), (Measured.MEMORY,), 3, 100)
FLOWS = ("ebpf-l7", "ebpf-l7@flows=true")
EVENTS = ScalingScenario("events", "Flow events", "w", HERE, Varied.DATAPLANE, (), FLOWS, (Measured.REQUESTS,), 6)
MACHINE = {"kernel": "6"}


def memory(point: int, block: int) -> float:
    return (50 + 20 * point + 0.1 * (block - 2)) * MIB


def cells(plan: ScalingPlan, void: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    found = []
    for spot in plan.spots():
        metrics = []
        if spot.scenario is PODS:
            size = memory(spot.point, spot.block)
            metrics = [["pss", "", "B", size], ["bpf_memory", "", "B", 0.0], ["memory", "", "B", size]]
        else:
            on = spot.dataplane == FLOWS[1]
            metrics = [["throughput", "", "1/s", (90.0 if on else 100.0) * spot.block]]
        failed = str(spot) in void
        found.append(
            {
                "block": spot.block, "scenario": spot.scenario.name, "load": spot.load, "load_kind": str(spot.scenario.vary),
                "arm": spot.dataplane, "dataplane": spot.dataplane, "attempt": 1, "void": "it broke" if failed else None,
                "seconds": 1.0, "rate": None, "metrics": [] if failed else metrics, "attachments": {},
            }
        )  # fmt: skip
    return found


def finished(folder: Path, void: tuple[str, ...] = ()) -> tuple[Run, bool]:
    plan = scaling_plan([PODS, EVENTS], Mode.DEFAULT, seed=1)
    journal = begin(folder, plan, MACHINE, ["meshproof", "scale", "--out", str(folder)], "2026-01-01T00:00:00+00:00")
    for cell in cells(plan, void):
        journal.append("cell", **cell)
    spoilt = summarise(folder, plan, journal, {name: find(name) for name in ("sidecar", *FLOWS)})
    journal.close()
    return read_run(folder), spoilt


def fit_of(run: Run, name: str) -> FitRow:
    (fit,) = [fit for fit in run.fits if fit.id == name]
    return fit


def test_the_line_that_was_put_in_comes_out_with_its_points(tmp_path: Path) -> None:
    run, spoilt = finished(tmp_path / "run")
    assert not spoilt
    fit = fit_of(run, "memory-per-pod/sidecar/100-clusters")
    assert (fit.x, fit.x_values, fit.points, fit.condition) == ("pods", [2, 10, 40], 9, "100 clusters")
    assert fit.slope == pytest.approx(20 * MIB)
    assert fit.intercept == pytest.approx(50 * MIB)
    assert fit.slope_low is not None and fit.slope_high is not None
    assert fit.slope_low < 20 * MIB < fit.slope_high
    assert fit.line
    assert fit.residual_share == pytest.approx(0, abs=1e-9)
    assert sorted(fit.values[0]) == [memory(2, block) for block in (1, 2, 3)]
    assert {row.cell for row in run.estimates if row.metric == "memory"} == {"pods/2", "pods/10", "pods/40"}
    assert fit_of(run, "bpf-memory-per-pod/sidecar/100-clusters").slope == 0


def test_data_planes_are_compared_within_blocks_and_have_no_line(tmp_path: Path) -> None:
    run, _ = finished(tmp_path / "run")
    (ratio,) = [row for row in run.estimates if row.against is not None]
    assert (ratio.cell, ratio.dataplane, ratio.against, ratio.blocks) == ("events/requests", FLOWS[1], FLOWS[0], 6)
    assert ratio.estimate == pytest.approx(0.9)
    assert {fit.scenario for fit in run.fits} == {"pods"}


def test_a_void_cell_takes_its_own_point_only_but_the_whole_block_of_a_comparison(tmp_path: Path) -> None:
    void = ("block 2 pods/40 on sidecar", f"block 3 events/requests on {FLOWS[0]}")
    run, spoilt = finished(tmp_path / "run", void)
    assert not spoilt
    assert fit_of(run, "memory-per-pod/sidecar/100-clusters").points == 8
    (ratio,) = [row for row in run.estimates if row.against is not None]
    assert ratio.blocks == 5
    assert {row.cell for row in run.voids} == set(void)


def test_a_point_without_any_figure_voids_the_run(tmp_path: Path) -> None:
    _, spoilt = finished(tmp_path / "run", tuple(f"block {block} pods/40 on sidecar" for block in (1, 2, 3)))
    assert spoilt


def test_reports_show_the_line_and_its_table_and_say_what_is_untested(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run, _ = finished(folder)
    assert {path.name for path in write_reports(folder)} == {"report.html", "report.pdf", "junit.xml"}
    page = (folder / "report.html").read_text()
    assert 'id="plot-scaling-memory-pods"' in page
    assert "plot-scaling-pss" not in page
    assert "20.0 MiB a pod" in page
    assert "0.90 times ebpf-l7" in page
    assert "Services: how cost grows with their number is not measured yet." in page
    text = summary_text(folder)
    assert "sidecar, 100 clusters: Memory, processes and kernel: 50.0 MiB + 20.0 MiB a pod" in text
    assert "a line" in text
    assert "No targets were set" not in text  # nor anything else of which a run of scaling has none
    assert "reachability" not in text
    assert "made by a version" not in text
    assert scaling_text(run)[0] == "Sidecars (pods)"


def test_a_residual_names_its_point_and_ten_per_cent_is_the_bound(tmp_path: Path) -> None:
    run, _ = finished(tmp_path / "run")
    fit = fit_of(run, "memory-per-pod/sidecar/100-clusters")
    bent = fit.model_copy(update={"residual_share": 0.123, "residual_max": -3 * MIB, "residual_at": 10.0, "line": False})
    assert residual(bent) == "12.3 % (-3.00 MiB) at 10"
    assert verdict(bent) == "no line"
    assert verdict(fit) == "a line"
    assert verdict(fit.model_copy(update={"x_values": [2, 10]})) == "two points only"
    assert verdict(fit.model_copy(update={"level": None})) == "too few figures"


def test_a_run_goes_on_only_as_it_was_begun(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    plan = scaling_plan([PODS], Mode.DEFAULT, seed=1)
    begin(folder, plan, MACHINE, [], "now").close()
    resume(folder, plan, MACHINE, []).close()
    with pytest.raises(CampaignError, match="holds a run already"):
        begin(folder, plan, MACHINE, [], "now")
    for other, machine in (
        (scaling_plan([PODS], Mode.DEFAULT, seed=2), MACHINE),
        (scaling_plan([EVENTS], Mode.DEFAULT, seed=1), MACHINE),
        (plan, {"kernel": "7"}),
    ):
        with pytest.raises(CampaignError, match="was not begun with this"):
            resume(folder, other, machine, [])
    with pytest.raises(CampaignError, match="holds no run"):
        resume(tmp_path, plan, MACHINE, [])
    (tmp_path / "journal.jsonl").write_text(json.dumps({"kind": "plan", "at": 0}) + "\n")
    with pytest.raises(CampaignError, match="holds no scaling run"):
        resume(tmp_path, plan, MACHINE, [])
