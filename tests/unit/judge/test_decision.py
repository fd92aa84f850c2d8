"""The rule of docs/decision.md: what is blocked is not replaced, what is not shown is not known, the rival gets equal care."""

import itertools

import pytest
from evidence_world import HERE, endpoint, evidence, row, run
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.claims import JudgedClaim
from harness.judge.decision import Block, Decided, Group, answer, decide
from harness.judge.evidence import Evidence
from harness.judge.verdict import Verdict
from harness.model.claim import Claim, Column, Lack
from harness.model.workload import Answer, Candidate, Needs, WorkloadClass

CASES = ("l4/a", "l4/b", "l7/a")
PASSED = {(case, plane): "pass" for case in CASES for plane in ("ours", "theirs")}
LACK = Lack("theirs", ("l4/*",), (), "the set-up here leaves it out")


def workload(l4: Needs | None = None, l7: Needs | None = None) -> WorkloadClass:
    candidates = {column: Candidate("ours", "ours") for column in Column}
    groups = [None if needs is None else dict.fromkeys(Column, needs) for needs in (l4, l7)]
    return WorkloadClass(HERE, "w", "W", "Why.", "theirs", candidates, groups[0], groups[1])


def decided(
    found: Evidence, l4: Needs | None = None, l7: Needs | None = None, claims: dict[str, Verdict] | None = None
) -> Decided:
    judged = {
        (name, column): JudgedClaim(Claim(HERE, name, "C.", "us", {}), column, verdict, (), "because")
        for name, verdict in (claims or {}).items()
        for column in Column
    }
    first, second = decide([workload(l4, l7)], judged, found)
    assert (first.column, second.column) == (Column.AS_SHIPPED, Column.POSSIBLE)
    return first


def asked(changes: dict[tuple[str, str], str] | None = None, **others: object) -> Evidence:
    return evidence(run(row(0.5, 0.6), cases=PASSED | (changes or {})), cases=CASES, **others)  # type: ignore[arg-type]


L4, L7 = Needs(cases=("l4/*",)), Needs(cases=("l7/*",))
FASTER = Needs(figures=(endpoint(at_most=0.85),))


def test_all_that_is_needed_was_shown() -> None:
    found = decided(asked(), Needs(cases=("l4/*",), figures=FASTER.figures), L7)
    assert (found.answer, found.blocking, found.missing) == (Answer.REPLACE, [], [])
    assert found.evidence_for[0] == "2 of 2 cases l4/* pass on ours (theirs: 2)"
    assert "found 0.55 (0.5 to 0.6)" in found.evidence_for[1]


@pytest.mark.parametrize("outcome", ["fail", "unsupported"])
def test_a_case_that_the_rival_passes_blocks_also_where_it_is_unsupported(outcome: str) -> None:
    found = decided(asked({("l4/a", "ours"): outcome}), L4, L7)
    assert found.answer is Answer.KEEP
    assert [(each.what, each.name) for each in found.blocking] == [("case", "l4/a")]
    assert "passes on theirs" in found.blocking[0].reason


def test_a_case_that_the_rival_fails_too_blocks_nothing_and_is_told() -> None:
    found = decided(asked({("l4/a", "ours"): "fail", ("l4/a", "theirs"): "unsupported"}), L4)
    assert found.answer is Answer.REPLACE
    assert "fail on ours, and on theirs too" in found.evidence_against[0]


def test_what_the_rival_was_not_asked_or_its_set_up_leaves_out_is_to_its_favour() -> None:
    ours = {("l4/a", "ours"): "fail"}
    unasked = evidence(
        run(cases={key: each for key, each in (PASSED | ours).items() if key != ("l4/a", "theirs")}), cases=CASES
    )
    assert decided(unasked, L4).answer is Answer.KEEP
    left_out = asked(ours | {("l4/a", "theirs"): "unsupported"}, lacks=(LACK,))
    assert decided(left_out, L4).answer is Answer.KEEP


def test_requests_that_are_blocked_leave_connections_to_be_taken() -> None:
    blocked = {("l7/a", "ours"): "unsupported"}
    assert decided(asked(blocked), L4, L7).answer is Answer.L4_ONLY
    assert decided(asked(blocked), None, L7).answer is Answer.KEEP
    assert decided(asked(blocked | {("l4/a", "ours"): "error"}), L4, L7).answer is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("needs", "says"),
    [
        (Needs(cases=("l4/*", "l7/*")), "1 of 1 cases l7/* not asked of ours"),
        (Needs(unasked=("no scenario of it",)), "no scenario of it"),
        (Needs(claims=("X",)), "X is untested: because"),
        (Needs(supports=("encryption",)), "no run says whether ours has encryption"),
        (Needs(figures=(endpoint(at_most=0.55),)), "the interval spans the bound"),
    ],
)
def test_what_was_not_shown_is_unknown_and_says_what_is_missing(needs: Needs, says: str) -> None:
    cases = {key: each for key, each in PASSED.items() if key[0] != "l7/a"}
    found = decided(evidence(run(row(0.5, 0.6), cases=cases), cases=CASES), needs, claims={"X": Verdict.UNTESTED})
    assert found.answer is Answer.UNKNOWN
    assert any(says in text for text in found.missing)


@pytest.mark.parametrize(
    ("verdict", "wanted"),
    [(Verdict.SUPPORTED, Answer.REPLACE), (Verdict.REFUTED, Answer.KEEP), (Verdict.MIXED, Answer.KEEP),
     (Verdict.INCONCLUSIVE, Answer.UNKNOWN), (Verdict.UNTESTED, Answer.UNKNOWN)],
)  # fmt: skip
def test_claims_that_are_needed_must_be_supported(verdict: Verdict, wanted: Answer) -> None:
    assert decided(asked(), Needs(claims=("X",)), claims={"X": verdict}).answer is wanted


def test_a_figure_on_the_bad_side_blocks() -> None:
    found = decided(asked(), Needs(figures=(endpoint(at_most=0.3),)))
    assert (found.answer, found.blocking[0].what) == (Answer.KEEP, "figure")


def test_a_declared_lack_blocks_unless_the_rival_lacks_it_too() -> None:
    lacks = {("ours", "encryption"): "sent as they are"}
    needs = Needs(supports=("encryption",))
    assert decided(evidence(run(supports=lacks | {("theirs", "encryption"): None})), needs).answer is Answer.KEEP
    assert decided(evidence(run(supports=lacks)), needs).answer is Answer.KEEP
    assert decided(evidence(run(supports=lacks | {("theirs", "encryption"): "plaintext"})), needs).answer is Answer.REPLACE
    claimed = decided(evidence(run(supports={("ours", "encryption"): None})), needs)
    assert (claimed.answer, claimed.evidence_for) == (Answer.REPLACE, [])  # to claim it is no evidence


def test_cases_that_are_unsupported_for_one_reason_block_as_one() -> None:
    cases = tuple(f"l4/{number}" for number in range(30))
    passed = {(case, "theirs"): "pass" for case in cases}
    mine = {(case, "ours"): "unsupported" for case in cases} | {("l4/7", "ours"): "fail"}
    blocks = decided(evidence(run(cases=passed | mine), cases=cases), L4).blocking
    assert [(block.name, block.cases) for block in blocks] == [("l4/0", 29), ("l4/7", 1)]
    assert blocks[0].reason == "unsupported on ours: because; passes on theirs"


GOOD, OPEN, BAD = Group(), Group(missing=["m"]), Group(blocking=[Block("case", "c", "r")])


@pytest.mark.parametrize(
    ("l4", "l7", "wanted"),
    [
        (GOOD, None, Answer.REPLACE), (OPEN, None, Answer.UNKNOWN), (BAD, None, Answer.KEEP),
        (None, GOOD, Answer.REPLACE), (None, OPEN, Answer.UNKNOWN), (None, BAD, Answer.KEEP),
        (GOOD, GOOD, Answer.REPLACE), (GOOD, OPEN, Answer.UNKNOWN), (GOOD, BAD, Answer.L4_ONLY),
        (OPEN, GOOD, Answer.UNKNOWN), (OPEN, OPEN, Answer.UNKNOWN), (OPEN, BAD, Answer.UNKNOWN),
        (BAD, GOOD, Answer.KEEP), (BAD, OPEN, Answer.KEEP), (BAD, BAD, Answer.KEEP),
    ],
)  # fmt: skip
def test_the_rule(l4: Group | None, l7: Group | None, wanted: Answer) -> None:
    assert answer(l4, l7) is wanted


outcomes = st.sampled_from(["pass", "fail", "unsupported", "error"])


@given(st.tuples(*itertools.repeat(outcomes, 3)), st.tuples(*itertools.repeat(outcomes, 3)), st.integers(0, 2))
def test_a_failing_case_more_never_makes_an_answer_bolder(mine: tuple[str, ...], theirs: tuple[str, ...], place: int) -> None:
    """One of the candidate's cases fails where the rival passes it: nothing is replaced that was not, and keep stays keep."""
    bold = {Answer.KEEP: 0, Answer.L4_ONLY: 1, Answer.REPLACE: 2}

    def found(some: tuple[str, ...]) -> Answer:
        rival = (*theirs[:place], "pass", *theirs[place + 1 :])
        cases = {(case, "ours"): each for case, each in zip(CASES, some, strict=True)}
        cases |= {(case, "theirs"): each for case, each in zip(CASES, rival, strict=True)}
        return decided(evidence(run(cases=cases), cases=CASES), L4, L7).answer

    before, after = found(mine), found((*mine[:place], "fail", *mine[place + 1 :]))
    assert after is not Answer.REPLACE
    if before is Answer.KEEP:
        assert after is Answer.KEEP
    if before in bold and after in bold:
        assert bold[after] <= bold[before]
