"""Tables of paths, backends and loads, and what is said of data planes that lack a scenario."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Change

from harness.report import paths, summary_text, tables
from harness.report.html import Page
from harness.report.lookup import Figures
from harness.report.run import read_run
from harness.report.samples import Samples

NAME = "http-cross-node"
MEANINGS = {"fast": "in the kernel", "slow_a": "to the proxy: <a>", "never": "in vain"}
REASON = "l7-routing: no <routes> here (asked for at r.yaml:1)"


def estimate(load: str, plane: str, metric: str, component: str, value: float) -> dict[str, Any]:
    return {
        "cell": f"{NAME}/{load}", "scenario": NAME, "dataplane": plane, "metric": metric, "unit": "1", "estimate": value,
        "low": None, "high": None, "level": 0, "against": None, "blocks": 1, "void": 0, "component": component,
    }  # fmt: skip


def ways(document: dict[str, Any]) -> None:
    """A run in which ebpf counts paths and has Services, and sidecar lacks the scenario."""
    plain, sidecar, ebpf = document["dataplanes"]
    assert [plain["name"], sidecar["name"], ebpf["name"]] == ["plain", "sidecar", "ebpf"]
    ebpf["paths"] = MEANINGS
    ebpf["supports"]["l7-routing"] = {"answer": "yes", "reason": None, "denies": None}
    document["estimates"] = [row for row in document["estimates"] if row["dataplane"] != "sidecar"]
    document["estimates"] = [row for row in document["estimates"] if row["against"] != "sidecar"]
    document["unsupported"] = [{"scenario": NAME, "dataplane": "sidecar", "reason": REASON}]
    (scenario,) = document["scenarios"]
    scenario |= {"service": "shop/web", "backends": ["shop/a", "shop/b"]}
    scenario["loads"][0] |= {
        "headers": [["A", "b"]],
        "mix": [{"percent": 2.5, "path": "/slow", "headers": [["X-Team", "web"]]}],
    }
    document["estimates"] += [
        estimate("latency-1000", "ebpf", "path_per_request", "slow_a", 0.1),
        estimate("latency-1000", "ebpf", "path_per_request", "fast", 0.9004),
        estimate("latency-1000", "ebpf", "path_per_request", "never", 0.0),
        estimate("maximum", "ebpf", "path_per_request", "fast", 1.0),
        estimate("maximum", "ebpf", "path_per_request", "unheard_of", 0.0007),
        estimate("maximum", "ebpf", "path_per_request", "never", 0.0004),
        estimate("maximum", "ebpf", "backend_share", "shop/b", 0.25),
        estimate("maximum", "ebpf", "backend_share", "shop/a", 0.75),
        estimate("maximum", "plain", "backend_share", "shop/a", 1.0),
    ]


@pytest.fixture
def folder(changed: Callable[[Change], Path]) -> Path:
    return changed(ways)


@pytest.fixture
def figures(folder: Path) -> Figures:
    return Figures(read_run(folder))


def test_counts_stand_in_the_data_planes_order_and_those_that_nothing_met_are_left_out(figures: Figures) -> None:
    (shares,) = paths.path_shares(figures, figures.run.scenarios[0])
    assert shares.plane == "ebpf"
    assert shares.columns == [("fast", "in the kernel"), ("slow_a", "to the proxy: <a>"), ("unheard_of", "")]
    assert shares.rows == [("latency-1000", ["90.0 %", "10.0 %", "none"]), ("maximum", ["100 %", "none", "0.07 %"])]


def test_backends_stand_where_there_are_services_alone(figures: Figures) -> None:
    (shares,) = paths.backend_shares(figures, figures.run.scenarios[0])
    assert (shares.plane, shares.columns) == ("ebpf", [("shop/a", ""), ("shop/b", "")])
    assert shares.rows == [("maximum", ["75.0 %", "25.0 %"])]


def test_a_run_without_counts_has_no_such_tables(quick_folder: Path) -> None:
    figures = Figures(read_run(quick_folder))
    assert paths.path_shares(figures, figures.run.scenarios[0]) == []
    assert paths.backend_shares(figures, figures.run.scenarios[0]) == []


def test_a_plane_that_lacks_the_scenario_is_called_unsupported_not_unmeasured(figures: Figures) -> None:
    rows = dict(tables.glance(figures, figures.run.scenarios[0]).rows)
    assert {figure.text for figure in rows["sidecar"]} == {"unsupported"}
    assert "unsupported" not in {figure.text for figure in rows["ebpf"]}


def test_every_load_of_a_metric_that_several_measure_has_a_row(default_folder: Path) -> None:
    figures = Figures(read_run(default_folder))
    found = tables.load_figures(figures, figures.run.scenarios[0])
    assert [(metric, load) for metric, load, _ in found if metric == "Latency p50"] == [
        ("Latency p50", "latency-1000"), ("Latency p50", "latency-half"),
    ]  # fmt: skip
    assert "Bulk transfer" not in {metric for metric, _, _ in found}
    assert all(len(cells) == len(figures.planes) for _, _, cells in found)


def test_tables_of_pairs_are_cut_to_what_paper_holds(default_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = Figures(read_run(default_folder))
    whole = tables.pair_table(figures, figures.run.scenarios[0])
    monkeypatch.setattr(tables, "COLUMNS", 3)
    cut = tables.pair_tables(figures, figures.run.scenarios[0])
    assert [column for table in cut for column in table.columns] == whole.columns
    assert max(len(table.columns) for table in cut) == 3
    for row, pieces in enumerate(zip(*(table.rows for table in cut), strict=True)):
        assert [effect for *_, effects in pieces for effect in effects] == whole.rows[row][3]


def test_loads_say_what_they_mix(figures: Figures) -> None:
    (how,) = [how for name, _, how in tables.load_lines(figures.run.scenarios[0]) if name == "latency-1000"]
    assert "with A: b, of which 2.50 % /slow with X-Team: web" in how


def test_the_page_and_the_summary_tell_all_of_it(folder: Path) -> None:
    page = Page(read_run(folder), Samples(folder)).render(paper=False)
    assert "to the proxy: &lt;a&gt;" in page
    assert "l7-routing: no &lt;routes&gt; here" in page
    assert "calls Service shop/web, whose backends are shop/a, shop/b; without Services it calls" in page
    said = summary_text(folder)
    assert f"  sidecar is unsupported: {REASON}" in said
    assert "  ebpf, latency-1000: fast 90.0 %, slow_a 10.0 %" in said


def test_a_target_of_two_scenarios_names_both(changed: Callable[[Change], Path]) -> None:
    def add(document: dict[str, Any]) -> None:
        document["targets"] = [
            {
                "id": "t", "text": "T.", "scenario": "many", "load": "maximum", "metric": "cpu_per_request",
                "dataplane": "ebpf", "against": "ebpf", "against_scenario": "one", "direction": "at most", "bound": 1.15,
                "floor": 0.01,
                "outcome": "reached", "estimate": 1.02, "low": 1.0, "high": 1.1, "level": 0.97,
            }
        ]  # fmt: skip

    (line,) = tables.target_lines(read_run(changed(add)))
    assert line.where == "many, maximum, against one, maximum"
