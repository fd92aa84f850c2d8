"""Each verdict is reached by evidence that asks for it, and worse evidence never makes a better verdict."""

import pytest
from evidence_world import HERE, PLACE, RATIO, endpoint, evidence, fit, row, run
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.claims import judge_claim, judge_endpoint
from harness.judge.evidence import Evidence
from harness.judge.verdict import Judged, Verdict, combined
from harness.model.claim import (
    Answers,
    Cases,
    Claim,
    Column,
    Endpoint,
    Features,
    Figure,
    Growth,
    Lack,
    Ratio,
    Side,
    Slope,
    Subject,
    Total,
    Unasked,
)
from harness.model.maturity import MaturityFeature

S, M, R, INC, U = Verdict.SUPPORTED, Verdict.MIXED, Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.UNTESTED
RANK = {R: 0, M: 1, INC: 2, S: 3}
"""From bad to good: what is open may still hold everywhere, what is mixed does not."""


def judged(found: Evidence, each: Endpoint) -> Judged:
    return judge_endpoint(each, found)


def claim(*endpoints: Endpoint) -> Claim:
    side = Side(endpoints)
    return Claim(HERE, "X-1", "It is so.", "us", {Column.AS_SHIPPED: side, Column.POSSIBLE: side})


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.5, 0.8, S), (0.5, 0.85, S), (0.8, 0.9, INC), (0.86, 0.9, R), (1.1, 1.2, R)]
)
def test_a_ratio_is_judged_by_its_whole_interval(low: float, high: float, verdict: Verdict) -> None:
    assert judged(evidence(run(row(low, high))), endpoint(at_most=0.85)).verdict is verdict


def test_the_other_direction_is_the_mirror_image() -> None:
    found = evidence(run(row(1.5, 1.8)))
    assert [judged(found, endpoint(at_least=each)).verdict for each in (1.4, 1.6, 1.9)] == [S, INC, R]


@pytest.mark.parametrize(("floor", "verdict"), [(0.05, S), (0.0501, INC), (None, INC)])
def test_a_noise_floor_over_a_third_of_the_margin_decides_nothing(floor: float | None, verdict: Verdict) -> None:
    assert judged(evidence(run(row(0.5, 0.6), floor=floor)), endpoint(at_most=0.85)).verdict is verdict


def test_against_one_an_effect_must_be_told_from_noise() -> None:
    small = evidence(run(row(0.95, 0.99), floor=0.1))
    assert judged(small, endpoint(at_most=1)).verdict is INC
    assert judged(small, endpoint(at_least=1)).verdict is INC
    large = evidence(run(row(0.5, 0.6), floor=0.1))
    assert judged(large, endpoint(at_most=1)).verdict is S
    assert judged(large, endpoint(at_least=1)).verdict is R


def test_against_one_the_run_s_own_verdict_on_the_family_of_comparisons_counts() -> None:
    assert judged(evidence(run(row(0.5, 0.6, different=False))), endpoint(at_most=1)).verdict is INC
    assert judged(evidence(run(row(0.5, 0.6, different=True), floor=0.9)), endpoint(at_most=1)).verdict is S


def test_planes_given_in_the_other_order_are_the_same_evidence() -> None:
    found = judged(evidence(run(row(2, 4))), endpoint(Ratio("s", "load", "latency_p50", "theirs", "ours"), at_most=0.6))
    assert (found.low, found.high, found.verdict) == (0.25, 0.5, S)


def test_what_no_run_measured_is_untested_and_what_came_out_void_is_inconclusive() -> None:
    elsewhere = Ratio("elsewhere", "load", "latency_p50", "ours", "theirs")
    assert judged(evidence(run(row(0.5, 0.6))), endpoint(elsewhere, at_most=1)).verdict is U
    void = judged(evidence(run(None)), endpoint(at_most=1))
    assert (void.verdict, void.links[0].where) == (INC, "s/load")
    unread = Ratio("s", "load", "copies", "ours", "theirs")
    assert judged(evidence(run(row(0.5, 0.6))), endpoint(unread, at_most=1)).verdict is U


def test_the_figures_of_a_quick_or_void_campaign_decide_nothing() -> None:
    found = judged(evidence(run(row(0.5, 0.6), unusable="it is quick")), endpoint(at_most=1))
    assert (found.verdict, found.reason) == (U, "run: it is quick")


def test_a_subject_that_cannot_is_refuted_and_a_rival_that_cannot_is_no_evidence() -> None:
    mine = evidence(run(None, unsupported={("s", "ours"): "no requests"}))
    theirs = evidence(run(None, unsupported={("s", "theirs"): "no requests"}))
    assert judged(mine, endpoint(at_most=1)).verdict is R
    assert judged(theirs, endpoint(at_most=1)).verdict is U


def test_the_first_run_that_has_a_figure_gives_it() -> None:
    found = judged(
        evidence(run(None, name="void"), run(row(0.5, 0.6), name="a"), run(row(2, 3), name="b")), endpoint(at_most=1)
    )
    assert (found.verdict, found.links[0].run) == (S, "a")


def test_two_scenarios_of_one_run_are_compared_as_widely_as_their_intervals_allow() -> None:
    figures = {(PLACE, "", "ours"): row(10, 12), (("t", "load", "latency_p50"), "", "ours"): row(8, 10)}
    subject = Ratio("s", "load", "latency_p50", "ours", "ours", "t")
    found = judged(evidence(run(None, figures=figures, floor=None)), endpoint(subject, at_most=2))
    assert (found.low, found.high, found.verdict) == (1.0, 1.5, INC)  # without a noise floor nothing is decided


def test_memory_is_all_that_is_taken() -> None:
    figures = {
        (("s", "load", "pss"), "", "ours"): row(0, 0), (("s", "load", "bpf"), "", "ours"): row(40, 60),
        (("s", "load", "pss"), "", "theirs"): row(90, 110), (("s", "load", "bpf"), "", "theirs"): row(0, 0),
    }  # fmt: skip
    found = judged(
        evidence(run(None, figures=figures)), endpoint(Total("s", "load", ("pss", "bpf"), "ours", "theirs"), at_most=0.7)
    )
    assert (found.low, found.high, found.verdict) == (40 / 110, 60 / 90, S)
    half = {key: each for key, each in figures.items() if key != (("s", "load", "bpf"), "", "ours")}
    assert (
        judged(
            evidence(run(None, figures=half)), endpoint(Total("s", "load", ("pss", "bpf"), "ours", "theirs"), at_most=1)
        ).verdict
        is INC
    )


def test_figures_have_bounds_in_their_own_unit() -> None:
    figures = {(("s", "load", "errors"), "", "ours"): row(0, 0)}
    each = Figure("s", "load", "errors", "ours")
    assert judged(evidence(run(None, figures=figures)), endpoint(each, at_most=0)).verdict is S
    figures = {(("s", "load", "errors"), "", "ours"): row(1, 3)}
    assert judged(evidence(run(None, figures=figures)), endpoint(each, at_most=0)).verdict is R


SLOPE, GROWTH = Slope("memory", "pods", "ours", "theirs"), Growth("memory", "pods", "ours")


def test_slopes_are_compared_in_each_condition_and_the_worst_counts() -> None:
    ours = fit("ours", (1, 1), (1, 2))
    steep, flat = fit("theirs", (1, 1), (8, 10), condition="many"), fit("theirs", (1, 1), (1, 1.5), condition="few")
    assert judged(evidence(run(fits=[ours, steep])), endpoint(SLOPE, at_most=0.5)).verdict is S
    assert judged(evidence(run(fits=[ours, steep, flat])), endpoint(SLOPE, at_most=0.5)).verdict is R
    crooked = fit("theirs", (1, 1), (8, 10), line=False)
    assert judged(evidence(run(fits=[ours, crooked])), endpoint(SLOPE, at_most=0.5)).verdict is INC
    assert judged(evidence(run(fits=[ours, fit("theirs", (1, 1), (-1, 10))])), endpoint(SLOPE, at_most=0.5)).verdict is INC
    assert judged(evidence(run(fits=[ours])), endpoint(SLOPE, at_most=0.5)).verdict is U


def test_growth_is_what_the_line_says_of_all_that_was_measured() -> None:
    assert judged(evidence(run(fits=[fit("ours", (100, 102), (0, 0.01))])), endpoint(GROWTH, at_most=1.1)).verdict is S
    assert judged(evidence(run(fits=[fit("ours", (100, 102), (1, 1.1))])), endpoint(GROWTH, at_most=1.1)).verdict is R
    assert judged(evidence(run()), endpoint(GROWTH, at_most=1.1)).verdict is U


ALL = ("a/1", "a/2", "b/1")
OURS = endpoint(Cases(("a/*",), "ours"), at_least=1)


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ({"a/1": "pass", "a/2": "pass"}, S),
        ({"a/1": "pass", "a/2": "fail"}, R),
        ({"a/1": "pass", "a/2": "unsupported"}, R),  # counts against, never as skipped
        ({"a/1": "pass", "a/2": "error"}, INC),
        ({"a/1": "pass"}, INC),  # what was not asked is known to be missing
        ({"b/1": "pass"}, U),
    ],
)
def test_all_shipped_cases_have_to_pass(outcomes: dict[str, str], verdict: Verdict) -> None:
    found = evidence(run(cases={(case, "ours"): outcome for case, outcome in outcomes.items()}), cases=ALL)
    assert judged(found, OURS).verdict is verdict


def test_a_share_of_cases_is_judged_with_those_not_asked_on_either_side() -> None:
    found = evidence(run(cases={("a/1", "ours"): "pass"}), cases=ALL)
    half = judged(found, endpoint(Cases(("a/*",), "ours"), at_least=0.5))
    assert (half.verdict, half.low, half.high) == (S, 0.5, 1.0)


MORE = endpoint(Cases(("a/*", "b/*"), "ours", "theirs"), at_least=1)
LACK = Lack("theirs", ("a/*",), ("F",), "the set-up here leaves it out")


@pytest.mark.parametrize(
    ("theirs", "lacks", "verdict"),
    [
        (("fail", "pass", "pass"), (), S),
        (("pass", "pass", "pass"), (), R),
        (("fail", "pass", "error"), (), INC),
        (("unsupported", "unsupported", "pass"), (LACK,), INC),  # what the set-up leaves out proves nothing of the rival
    ],
)
def test_more_cases_than_a_rival(theirs: tuple[str, ...], lacks: tuple[Lack, ...], verdict: Verdict) -> None:
    cases = {(case, "ours"): "pass" for case in ALL} | {(case, "theirs"): each for case, each in zip(ALL, theirs, strict=True)}
    assert judged(evidence(run(cases=cases), cases=ALL, lacks=lacks), MORE).verdict is verdict


FEATURES = (
    MaturityFeature(HERE, "F", ("a/1",)),
    MaturityFeature(HERE, "G", ("a/2",)),
    MaturityFeature(HERE, "J", reason="nobody"),
)


@pytest.mark.parametrize(
    ("mine", "theirs", "names", "lacks", "verdict"),
    [
        (("pass", "pass"), ("pass", "unsupported"), ("F", "G"), (), S),
        (("pass", "pass"), ("pass", "pass"), ("F", "G"), (), R),
        (("unsupported", "pass"), ("pass", "pass"), ("F", "G"), (), R),
        (("pass", "pass"), ("pass", "pass"), ("F", "J"), (), INC),  # of what no manifest asks for nothing is known
        (("pass", "pass"), ("unsupported", "pass"), ("F", "G"), (LACK,), INC),
    ],
)
def test_richer_is_to_have_more_features(
    mine: tuple[str, ...], theirs: tuple[str, ...], names: tuple[str, ...], lacks: tuple[Lack, ...], verdict: Verdict
) -> None:
    cases = {(case, "ours"): each for case, each in zip(("a/1", "a/2"), mine, strict=True)}
    cases |= {(case, "theirs"): each for case, each in zip(("a/1", "a/2"), theirs, strict=True)}
    found = evidence(run(cases=cases), cases=ALL, features=FEATURES, lacks=lacks)
    assert judged(found, endpoint(Features(names, "ours", "theirs"), at_least=1)).verdict is verdict


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        (["replace", "replace"], S),
        (["replace", "keep"], M),
        (["L4 only", "keep"], M),
        (["keep", "keep"], R),
        (["replace", "unknown"], INC),
        (["keep", "unknown"], INC),
        (["unknown", "unknown"], U),
        ([], U),
    ],
)
def test_the_verdict_on_all_follows_from_the_classes(answers: list[str], verdict: Verdict) -> None:
    whole = claim(endpoint(Answers(), at_least=1))
    assert judge_claim(whole, Column.POSSIBLE, evidence(), answers).verdict is verdict


@pytest.mark.parametrize(
    ("found", "verdict"),
    [([S, S], S), ([S, R], M), ([S, R, INC], M), ([R, R], R), ([R, INC], R), ([R, U], R), ([S, INC], INC), ([S, U], INC),
     ([INC, U], INC), ([U, U], U)],
)  # fmt: skip
def test_a_claim_holds_where_all_that_decides_it_does(found: list[Verdict], verdict: Verdict) -> None:
    assert combined(found) is verdict


def test_a_mixed_claim_says_where_it_holds_and_where_not() -> None:
    good, bad = endpoint(at_most=0.85, where="between nodes"), endpoint(at_least=0.85, where="within a node")
    found = judge_claim(claim(good, bad), Column.AS_SHIPPED, evidence(run(row(0.5, 0.6))))
    assert (found.verdict, found.reason) == (M, "holds: between nodes; does not hold: within a node")
    assert found.deciding is not None and found.deciding.endpoint is bad


def test_loads_are_named_where_one_condition_came_to_several_verdicts() -> None:
    other = Ratio("s", "half", "latency_p50", "ours", "theirs")
    found = judge_claim(claim(endpoint(at_most=1), endpoint(other, at_most=1)), Column.POSSIBLE, evidence(run(row(0.5, 0.6))))
    assert (found.verdict, found.reason) == (INC, "holds: here (load: latency_p50); untested: here (half: latency_p50)")


def test_a_published_figure_of_another_set_up_says_why() -> None:
    side = Side((), "another cluster")
    found = judge_claim(Claim(HERE, "PUB", "C.", "them", dict.fromkeys(Column, side)), Column.POSSIBLE, evidence())
    assert (found.verdict, found.reason) == (Verdict.NOT_COMPARABLE, "another cluster")


def test_what_nothing_measures_yet_says_why() -> None:
    found = judge_claim(claim(endpoint(Unasked("no scenario of it"))), Column.POSSIBLE, evidence())
    assert (found.verdict, found.reason) == (U, "no scenario of it")


bounds = st.floats(0.1, 3)
shifts = st.floats(0, 3)


@given(st.lists(st.tuples(bounds, st.floats(0, 1), shifts), min_size=1, max_size=4), bounds, st.booleans())
def test_no_verdict_gets_better_where_intervals_move_to_the_bad_side(
    found: list[tuple[float, float, float]], bound: float, least: bool
) -> None:
    """``found``: the lower end of an interval, how wide it is, and by how much it moves."""

    def verdict(moved: bool) -> Verdict:
        verdicts = []
        for low, width, shift in found:
            low_end = low + (0 if not moved else -shift if least else shift)
            each = endpoint(RATIO, at_least=bound) if least else endpoint(RATIO, at_most=bound)
            verdicts.append(judged(evidence(run(row(low_end, low_end + width), floor=0.02)), each).verdict)
        return combined(verdicts)

    assert RANK[verdict(moved=True)] <= RANK[verdict(moved=False)]


@given(st.lists(st.sampled_from(["pass", "fail", "unsupported", "error"]), min_size=2, max_size=2), st.integers(0, 1))
def test_no_verdict_gets_better_where_a_case_fails(outcomes: list[str], place: int) -> None:
    def verdict(some: list[str]) -> Verdict:
        cases = {(case, "ours"): each for case, each in zip(("a/1", "a/2"), some, strict=True)}
        return judged(evidence(run(cases=cases), cases=ALL), OURS).verdict

    worse = [*outcomes[:place], "fail", *outcomes[place + 1 :]]
    assert RANK[verdict(worse)] <= RANK[verdict(outcomes)]


def test_every_kind_of_endpoint_is_judged() -> None:
    subjects: list[Subject] = [
        RATIO, Total("s", "l", ("a", "b"), "ours", "theirs"), Figure("s", "l", "m", "ours"), Cases(("a/*",), "ours"),
        Features(("F",), "ours", "theirs"), SLOPE, GROWTH, Answers(), Unasked("why"),
    ]  # fmt: skip
    found = evidence(features=FEATURES, cases=ALL)
    assert {judged(found, endpoint(each, at_least=1)).verdict for each in subjects} == {U}
