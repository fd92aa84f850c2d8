"""The cost ledger in a report: lines, residual, what is billed, and what stands beside."""

from typing import Any

import pytest
from conftest import Change

from harness.report.html import Page
from harness.report.ledger import ledger_tables
from harness.report.lookup import Figures
from harness.report.run import read_run
from harness.report.samples import Samples

NAME = "http-cross-node"


def row(plane: str, metric: str, component: str, value: float, unit: str) -> dict[str, Any]:
    return {
        "cell": f"{NAME}/trace-1000", "scenario": NAME, "dataplane": plane, "metric": metric, "unit": unit, "estimate": value,
        "low": None, "high": None, "level": 0, "against": None, "blocks": 1, "void": 0, "component": component,
    }  # fmt: skip


def ledgers(document: dict[str, Any]) -> None:
    document["estimates"] += [
        row("plain", "cpu_ledger_per_request", "client", 40e-6, "s"),
        row("plain", "cpu_ledger_per_request", "node-network", 9e-6, "s"),
        row("plain", "cpu_ledger_per_request", "", 50e-6, "s"),
        row("plain", "cpu_ledger_residual", "", 0.02, "1"),
        row("plain", "network_time_per_request", "ksoftirqd", 1e-6, "s"),
        row("plain", "network_time_per_request", "kworkers", 0.0, "s"),
        row("plain", "copies", "", 2.0, "1"),
        row("ebpf", "cpu_ledger_per_request", "client", 30e-6, "s"),
        row("ebpf", "cpu_ledger_per_request", "programs", 2e-6, "s"),
        row("ebpf", "cpu_ledger_per_request", "", 40e-6, "s"),
        row("ebpf", "cpu_ledger_residual", "", 0.2, "1"),
    ]


def test_each_plane_has_its_lines_its_residual_and_what_stands_beside(changed: Change) -> None:
    (table,) = ledger_tables(Figures(read_run(changed(ledgers))))
    assert table.planes == ["plain", "ebpf"]
    assert dict(table.lines) == {
        "client": ["40.0 µs", "30.0 µs"],
        "node-network": ["9.00 µs", ""],
        "programs": ["", "2.00 µs"],
    }
    plain, ebpf = table.rows
    assert (plain.total, plain.residual, plain.closes) == ("50.0 µs", "+2.0 %", True)
    assert (ebpf.residual, ebpf.closes) == ("+20.0 %", False)
    assert plain.elsewhere == "1.00 µs in ksoftirqd"
    assert plain.beside[table.columns.index("Copies to user")] == "2.00"


def test_beside_the_total_stands_what_was_billed_at_the_same_rate_without_tracing(changed: Change) -> None:
    folder = changed(ledgers)
    run = read_run(folder)
    (billed,) = [
        each for each in run.estimates
        if (each.cell, each.dataplane, each.metric, each.component, each.against)
        == (f"{NAME}/cost-1000", "plain", "cpu_per_request", "", None)
    ]  # fmt: skip
    (table,) = ledger_tables(Figures(run))
    assert billed.estimate is not None
    assert table.rows[0].billed == f"{billed.estimate * 1e6:.1f} µs"


def test_a_ledger_that_does_not_close_says_so_in_the_page(changed: Change) -> None:
    folder = changed(ledgers)
    page = Page(read_run(folder), Samples(folder)).render(paper=True)
    assert page.count("does not close") == 1


@pytest.mark.parametrize("paper", [True, False])
def test_a_run_without_a_ledger_has_no_such_section(changed: Change, paper: bool) -> None:
    folder = changed(lambda _: None)
    assert 'id="ledger"' not in Page(read_run(folder), Samples(folder)).render(paper=paper)
