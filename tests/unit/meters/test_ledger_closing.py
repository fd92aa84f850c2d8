"""The cost ledger's arithmetic, on what might have been timed."""

import math

import pytest

from harness.meters.closing import PROGRAMS, Fixed, Host, ProgramRuns, Timed, Traffic, closed, within

# One processor, in nanoseconds: the client ran 1000, of which 300 were a softirq for the server's pod and 20 a tick; then
# ksoftirqd worked 200 for the node; then a tool of the lab, which is no component, ran 100.
TASKS = {"client": 650.0, "server": 0.0}
NETWORKS = {("server-network", Host.LAB): 300.0, ("node-network", Host.KSOFTIRQD): 200.0}
FIXED = {
    (Fixed.INTERRUPTS, Host.LAB): 20.0,
    (Fixed.TRACING, Host.LAB): 30.0,
    (Fixed.UNNAMED, Host.LAB): 100.0,
    (Fixed.INTERRUPTS, Host.IDLE): 9000.0,
    (Fixed.FOREIGN_NETWORK, Host.OTHER): 9000.0,
}


def timed(*programs: ProgramRuns, ran: float = 1100.0) -> Timed:
    return Timed(TASKS, NETWORKS, FIXED, ran, programs)


def test_softirq_is_no_ones_whom_it_interrupted_and_the_total_has_it_once() -> None:
    ledger = closed(timed())
    assert ledger.lines["client"] == 650
    assert ledger.lines["server-network"] == 300
    assert ledger.lines["node-network"] == 200
    assert ledger.total == 1100 + 200  # what ran in ksoftirqd is in no task of the lab


def test_what_stopped_the_labs_tasks_is_named_and_what_stopped_others_is_not_counted() -> None:
    ledger = closed(timed())
    assert (ledger.lines["interrupts"], ledger.lines["tracing"], ledger.lines["foreign-network"]) == (20, 30, 0)


def test_tasks_that_no_line_names_are_the_residual() -> None:
    assert closed(timed()).residual == pytest.approx(100 / 1300)


def test_lines_beyond_the_total_show_as_a_negative_residual() -> None:
    assert closed(timed(ran=700.0)).residual == pytest.approx(-300 / 900)


def test_network_work_is_told_apart_by_whose_time_it_took() -> None:
    found = closed(timed()).network_in
    assert (found[Host.LAB], found[Host.KSOFTIRQD], found[Host.IDLE]) == (300, 200, 0)


def test_programs_are_taken_off_the_lines_in_whose_time_they_ran() -> None:
    without, ledger = closed(timed()), closed(timed(ProgramRuns(80.0, 2, {"node-network": 3.0, "client": 1.0})))
    assert ledger.lines[PROGRAMS] == 80
    assert ledger.lines["node-network"] == 200 - 0.75 * (80 + 2 * 20)
    assert ledger.lines["client"] == 650 - 0.25 * (80 + 2 * 20)
    assert ledger.lines["tracing"] == 30 + 2 * 20  # what the statistics cost each run
    assert sum(ledger.lines.values()) == pytest.approx(sum(without.lines.values()))
    assert ledger.total == without.total


def test_programs_in_nobodys_time_do_not_count_twice() -> None:
    ledger = closed(timed(ProgramRuns(80.0, 2, {})))
    assert sum(ledger.lines.values()) == sum(closed(timed()).lines.values())


def test_nothing_that_ran_leaves_a_residual_that_is_no_number() -> None:
    assert math.isnan(closed(Timed({}, {}, {}, 0.0)).residual)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (3, {"proxy": 1.0, "node-network": 5.0}),  # SCHED_CLS: packets of nodes, in softirq or in a proxy's send
        (16, {"client": 2.0}),  # SK_MSG: sends
        (31, {"l7-agent": 7.0}),  # SYSCALL: its agent
        (14, {"server-network": 1.0, "node-network": 4.0}),  # SK_SKB: packets taken in
    ],
)
def test_where_programs_run_follows_from_their_type(kind: int, expected: dict[str, float]) -> None:
    traffic = Traffic({"server-network": 1.0, "node-network": 4.0}, {"proxy": 1.0, "node-network": 1.0}, {"client": 2.0})
    tasks = {"client": 50.0, "proxy": 9.0, "l7-agent": 7.0}
    found = within(kind, traffic, tasks, ["server-network", "node-network"])
    assert {line: weight for line, weight in found.items() if weight} == expected


def test_programs_whose_place_was_not_counted_are_shared_out_by_the_tasks_own_time() -> None:
    assert within(16, Traffic({}, {}, {}), {"client": 3.0, "server": 1.0}, []) == {"client": 3.0, "server": 1.0}
