"""What a cell of the L7 maturity matrix says: never a pass where nothing ran."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.maturity import Cell, Standing, cell, members, unmatched
from harness.model.case import CaseOutcome, CaseResult
from harness.model.maturity import MaturityFeature
from harness.model.origin import Origin

HERE = Origin("m.yaml", 3)
WEIGHTS = MaturityFeature(HERE, "Weights", ("routing/weight-*", "routing/Split"))
PASS, FAIL, UNSUPPORTED, ERROR = CaseOutcome.PASS, CaseOutcome.FAIL, CaseOutcome.UNSUPPORTED, CaseOutcome.ERROR


def results(*outcomes: CaseOutcome) -> list[CaseResult]:
    reason = {UNSUPPORTED: "l7-routing: no routes here (asked for at a.yaml:7)", FAIL: "observed 200"}
    return [CaseResult(f"routing/weight-{n}", "routing", "p", each, reason.get(each, "")) for n, each in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "found"),
    [
        ((), Cell(Standing.NOT_ASKED)),
        ((PASS, PASS), Cell(Standing.PASS, 2, 2)),
        ((PASS, UNSUPPORTED), Cell(Standing.PARTLY, 1, 1, 1, "l7-routing: no routes here")),
        ((UNSUPPORTED, UNSUPPORTED), Cell(Standing.UNSUPPORTED, 0, 0, 2, "l7-routing: no routes here")),
        ((PASS, FAIL, ERROR), Cell(Standing.FAIL, 1, 3)),
        ((PASS, ERROR), Cell(Standing.ERROR, 1, 2)),
        ((UNSUPPORTED, FAIL), Cell(Standing.FAIL, 0, 1, 1, "l7-routing: no routes here")),
    ],
)
def test_a_cell_is_what_its_cases_came_to(outcomes: tuple[CaseOutcome, ...], found: Cell) -> None:
    assert cell(WEIGHTS, results(*outcomes), None) == found


@given(st.lists(st.sampled_from(CaseOutcome)))
def test_a_pass_is_of_cases_that_ran_and_all_passed(outcomes: list[CaseOutcome]) -> None:
    found = cell(WEIGHTS, results(*outcomes), None)
    assert (found.standing is Standing.PASS) == (bool(outcomes) and set(outcomes) == {PASS})
    assert found.asked + found.unsupported == len(outcomes)
    assert (found.reason != "") == (UNSUPPORTED in outcomes)


def test_a_feature_that_nobody_has_gives_its_reason_whatever_ran() -> None:
    tokens = MaturityFeature(HERE, "JWT", reason="no field for it")
    assert cell(tokens, [], None) == Cell(Standing.UNSUPPORTED, reason="no field for it")


def test_cases_do_not_count_where_the_plane_lacks_what_the_feature_needs() -> None:
    assert cell(WEIGHTS, results(PASS), "encryption: none") == Cell(Standing.UNSUPPORTED, reason="encryption: none")


def test_patterns_are_of_whole_names_and_case_counts() -> None:
    cases = ["routing/weight-zero", "routing/weights", "routing/Split", "routing/split", "l7/weight-zero", "routing/Splits"]
    assert members(WEIGHTS, cases) == ["routing/weight-zero", "routing/Split"]


def test_a_pattern_that_means_no_case_is_told_with_its_line() -> None:
    assert list(unmatched([WEIGHTS], ["routing/weight-zero"])) == [
        "m.yaml:3: Weights: no case is called routing/Split; correct or remove it"
    ]
    assert not list(unmatched([WEIGHTS], ["routing/weight-zero", "routing/Split"]))
