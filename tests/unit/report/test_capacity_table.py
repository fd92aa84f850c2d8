"""Capacities in a report: the table, what is open-ended, and the pictures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.report.capacity import tables
from harness.report.lookup import Figures
from harness.report.run import read_run
from harness.report.write import write_reports

Change = Callable[[dict[str, Any]], None]
OBJECTIVE = {"percent": 99.0, "within": 0.01, "lowest": 1000.0, "highest": 80000.0, "trial": 0.25, "width": 0.05}
FOUND = {"plain": (20000.0, 1.0), "ebpf": (16000.0, 0.0)}


def with_capacity(document: dict[str, Any]) -> None:
    scenario = document["scenarios"][0]
    share = {"of": "top", "share": 0.5}
    scenario["loads"] += [
        {"name": "top", "kind": "capacity", "search": OBJECTIVE},
        {"name": "top-50", "kind": "latency", "share": share},
    ]

    def row(plane: str, load: str, metric: str, unit: str, value: float) -> dict[str, Any]:
        name = scenario["name"]
        return {
            "cell": f"{name}/{load}", "scenario": name, "dataplane": plane, "metric": metric, "unit": unit, "estimate": value,
            "low": None, "high": None, "level": 0.0, "against": None, "blocks": 1, "void": 0, "component": "",
        }  # fmt: skip

    for plane, (capacity, at_least) in FOUND.items():
        document["estimates"] += [
            row(plane, "top", "capacity", "1/s", capacity),
            row(plane, "top", "capacity_at_least", "searches", at_least),
            row(plane, "top-50", "offered", "1/s", capacity / 2),
            row(plane, "top-50", "latency_p50", "s", 0.0002),
            row(plane, "top-50", "latency_p99", "s", 0.003),
        ]


def test_each_plane_has_its_capacity_and_what_its_users_wait_at_shares_of_it(changed: Callable[[Change], Path]) -> None:
    run = read_run(changed(with_capacity))
    (table,) = tables(Figures(run), run.scenarios[0])
    lines = {line.plane: line for line in table.lines}
    assert table.shares == ["50 %"]
    assert table.objective == "the highest rate at which 99 % are answered within 10.0 ms"
    assert table.open_ended
    assert lines["plain"].capacity == "≥ 20,000/s"
    assert lines["ebpf"].capacity == "16,000/s"
    assert lines["ebpf"].waits == [("8,000/s", "200 µs", "3.00 ms")]
    assert lines["sidecar"].capacity == "not measured"


def test_a_run_without_capacities_has_no_table(quick_folder: Path) -> None:
    run = read_run(quick_folder)
    assert [tables(Figures(run), scenario) for scenario in run.scenarios] == [[] for _ in run.scenarios]


def test_the_page_has_the_table_and_both_pictures(changed: Callable[[Change], Path]) -> None:
    folder = changed(with_capacity)
    write_reports(folder)
    page = (folder / "report.html").read_text()
    name = json.loads((folder / "run.json").read_text())["scenarios"][0]["name"]
    assert "Capacity: top" in page
    assert f'id="plot-{name}-top-capacity"' in page
    assert f'id="plot-{name}-top-shares"' in page
