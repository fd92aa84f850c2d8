"""What requests to Services come to: who read them, as what, what came back, and how often."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from harness.judge.routed import RoutedSight, Try, judge_requests
from harness.judge.routed_claims import contradictions
from harness.model.fault import Symptom
from harness.model.flow import Evidence, Flow
from harness.model.origin import Origin
from harness.model.request import HTTPRequest
from harness.model.routed import Asked, Copies, Outcome, ReadRequest, RoutedAnswer, RoutedExpectation, Share
from harness.model.routing import Call

HERE, RULE = Origin("scenario.yaml", 7), Origin("route.yaml", 8)
V1, V2 = Share(HERE, ("shop/v1",), 200), Share(HERE, ("shop/v2",), 200)
GONE, REFUSED = Share(HERE, (), 404), Share(HERE, (), 403)
AS_SENT = {"path": "/a", "host": "web", "headers": (("x-set", "one"), ("x-gone", None)), "returns": (("x-r", "two"),)}
TO_V1 = Outcome(("shop/v1",), 200, Fraction(1), **AS_SENT, rule=RULE, reason="the rule's backend")  # type: ignore[arg-type]
TO_V2 = replace(TO_V1, pods=("shop/v2",))
NOBODY = Outcome((), 404, Fraction(1), reason="no rule of a route matches")
FLOW = Flow("shop/client", "shop/v2", 8080, request=HTTPRequest("/a"))
DENIED = Outcome((), 403, Fraction(1), denied=(FLOW,), rule=Origin("policy.yaml", 2), reason="isolated, and no rule allows")
READ = ReadRequest("shop/v1", "/a", "web", (("x-set", "one"), ("x-forwarded-for", "10.0.0.1")))
ANSWER = RoutedAnswer(200, "shop/v1", (("x-r", "two"), ("date", "today")))
FORBIDDEN = RoutedAnswer(403, "Access denied")
GOOD = Try(ANSWER, (READ,))
TO_OTHER = Try(replace(ANSWER, by="shop/v2"), (replace(READ, pod="shop/v2"),))
RECORD = Evidence("node-proxy", "rbac_access_denied")


def expected(*shares: Share, copies: tuple[Copies, ...] = (), times: int = 1) -> RoutedExpectation:
    return RoutedExpectation(HERE, Asked(Call("shop/client", "shop/web", 80, HTTPRequest()), times=times), shares, copies)


def sight(
    *tries: Try, shares: Sequence[Share] = (V1,), outcomes: Sequence[Outcome] = (TO_V1,), evidence: Evidence | None = None,
    copies: tuple[Copies, ...] = (),
) -> RoutedSight:  # fmt: skip
    return RoutedSight(expected(*shares, copies=copies, times=len(tries)), outcomes, tries, evidence)


def test_a_request_that_fares_as_it_should_has_no_faults_and_its_rule() -> None:
    judged = judge_requests([sight(GOOD)])
    assert (judged.faults, judged.rule, judged.symptoms) == ((), "route.yaml:8", frozenset())


@pytest.mark.parametrize(
    ("seen", "symptom", "said"),
    [
        (TO_OTHER, Symptom.BREAKS, "expected status 200, read by shop/v1, observed status 200 from shop/v2, read by shop/v2"),
        (Try(RoutedAnswer(None, end="closed"), ()), Symptom.BREAKS, "no answer (the connection: closed), read by nobody"),
        (Try(FORBIDDEN, ()), Symptom.DENIES, "observed status 403 from Access denied, read by nobody"),
        (Try(ANSWER, (READ, READ)), Symptom.BREAKS, "read by shop/v1 2 times"),
        (Try(ANSWER, (READ, replace(READ, pod="shop/v2"))), Symptom.BREAKS, "read by shop/v1, shop/v2"),
        (Try(replace(ANSWER, by="shop/v2"), (READ,)), Symptom.BREAKS, "status 200 from shop/v2, read by shop/v1"),
        (Try(ANSWER, (replace(READ, path="/b"),)), Symptom.BREAKS, "expected the path /a to arrive, observed /b by shop/v1"),
        (Try(ANSWER, (replace(READ, host="v1"),)), Symptom.BREAKS, "expected the host web to arrive, observed v1"),
        (Try(ANSWER, (replace(READ, headers=()),)), Symptom.BREAKS, "expected x-set: one to arrive, observed no x-set"),
        (
            Try(ANSWER, (replace(READ, headers=(("x-set", "one"), ("x-gone", "still"))),)), Symptom.BREAKS,
            "expected no x-gone to arrive, observed x-gone: still",
        ),
        (Try(replace(ANSWER, headers=()), (READ,)), Symptom.BREAKS, "expected x-r: two to return, observed no x-r"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_should_be_is_said_with_the_deciding_rule(seen: Try, symptom: Symptom, said: str) -> None:
    judged = judge_requests([sight(seen)])
    assert judged.symptoms == {symptom}
    (fault,) = judged.faults
    assert said in fault
    assert fault.startswith("scenario.yaml:7: shop/client -> shop/web:80 GET / (IPv4): ")
    assert fault.endswith("evidence: none; deciding rule: route.yaml:8 (the rule's backend)")
    assert judged.rule == "route.yaml:8"


def test_a_server_that_cannot_tell_its_host_is_not_asked() -> None:
    assert judge_requests([sight(Try(ANSWER, (replace(READ, host=None),)))]).faults == ()


@pytest.mark.parametrize("by", [None, ""])
def test_an_answer_without_a_body_says_nothing_of_who_gave_it(by: str | None) -> None:
    assert judge_requests([sight(Try(replace(ANSWER, by=by), (READ,)))]).faults == ()


def test_nobody_may_read_what_nobody_should_get() -> None:
    wrong = judge_requests([sight(Try(replace(ANSWER, status=404), (READ,)), shares=(GONE,), outcomes=(NOBODY,))])
    assert "expected status 404, read by nobody, observed status 404 from shop/v1, read by shop/v1" in wrong.faults[0]
    assert judge_requests([sight(Try(RoutedAnswer(404), ()), shares=(GONE,), outcomes=(NOBODY,))]).faults == ()


def test_tries_are_counted_and_an_error_may_be_the_meshs_own() -> None:
    twice = Share(HERE, ("shop/v1",), 503, tries=2)
    outcome = replace(TO_V1, status=503, tries=2, returns=())
    failed = RoutedAnswer(503, "upstream")
    assert judge_requests([sight(Try(failed, (READ, READ)), shares=(twice,), outcomes=(outcome,))]).faults == ()
    assert judge_requests([sight(Try(failed, (READ,)), shares=(twice,), outcomes=(outcome,))]).faults


def test_a_refusal_has_the_data_planes_record_and_reaches_nobody() -> None:
    def of(seen: Try, evidence: Evidence | None) -> RoutedSight:
        return sight(seen, shares=(REFUSED,), outcomes=(DENIED,), evidence=evidence)

    good = judge_requests([of(Try(FORBIDDEN, ()), RECORD)])
    assert (good.faults, good.evidence, good.rule) == ((), "rbac_access_denied", "policy.yaml:2")
    assert "of which the data plane has no record" in judge_requests([of(Try(FORBIDDEN, ()), None)]).faults[0]
    assert judge_requests([of(TO_OTHER, None)]).symptoms == {Symptom.ADMITS}
    assert judge_requests([of(Try(RoutedAnswer(503), ()), None)]).symptoms == {Symptom.BREAKS}


def test_of_what_may_become_of_a_request_each_is_right() -> None:
    either = sight(GOOD, Try(FORBIDDEN, ()), shares=(V1, REFUSED), outcomes=(TO_V1, DENIED), evidence=RECORD)
    assert judge_requests([either]).faults == ()


def test_shares_are_tested_where_they_matter() -> None:
    weighted = (replace(V1, weight=3), replace(V2, weight=1))
    few = [GOOD] * 290 + [TO_OTHER] * 110
    many = [GOOD] * 200 + [TO_OTHER] * 200
    assert judge_requests([sight(*few, shares=weighted, outcomes=(TO_V1, TO_V2))]).faults == ()
    judged = judge_requests([sight(*many, shares=weighted, outcomes=(TO_V1, TO_V2))])
    assert len(judged.faults) == 2
    assert (
        "expected status 200, read by shop/v1 for 0.75 of 400 requests, observed 200 (as far off by chance: "
        in judged.faults[0]
    )
    assert judge_requests([sight(*many, shares=(V1, V2), outcomes=(TO_V1, TO_V2))]).faults == ()


def test_of_many_that_are_wrong_a_few_are_listed() -> None:
    judged = judge_requests([sight(*[TO_OTHER] * 50)])
    assert len(judged.faults) == 4
    assert "50 of 50 requests fared otherwise than expected; the first 3 are listed" in judged.faults[-1]


COPY = replace(READ, pod="shop/v3")
ALL, QUARTER = Copies(HERE, ("shop/v3",)), Copies(HERE, ("shop/v3",), 1, 4)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ((READ, COPY), None),
        ((READ,), "expected one copy for shop/v3, observed 0"),
        ((READ, COPY, COPY), "expected one copy for shop/v3, observed 2"),
        ((READ, replace(COPY, path="/b")), "expected the path /a to arrive, observed /b by shop/v3, as a copy"),
    ],
)
def test_copies_arrive_once_and_like_the_request(read: tuple[ReadRequest, ...], said: str | None) -> None:
    faults = judge_requests([sight(Try(ANSWER, read), copies=(ALL,))]).faults
    assert (said is None and not faults) or (said is not None and said in faults[0])


def test_copies_that_are_not_expected_are_read_by_one_too_many() -> None:
    assert "read by shop/v1, shop/v3" in judge_requests([sight(Try(ANSWER, (READ, COPY)))]).faults[0]


def test_what_is_refused_is_not_copied() -> None:
    def of(*read: ReadRequest) -> Sequence[str]:
        tried = Try(FORBIDDEN, read)
        seen = sight(tried, shares=(V1, REFUSED), outcomes=(TO_V1, DENIED), evidence=RECORD, copies=(ALL,))
        return judge_requests([seen]).faults

    assert of() == ()
    assert "expected no copy for shop/v3, observed 1" in of(COPY)[0]


def test_a_part_that_is_copied_is_tested() -> None:
    copied = Try(ANSWER, (READ, COPY))
    assert judge_requests([sight(*[copied] * 80, *[GOOD] * 220, copies=(QUARTER,))]).faults == ()
    (fault,) = judge_requests([sight(*[copied] * 300, copies=(QUARTER,))]).faults
    assert "expected a copy for shop/v3 for 0.25 of 300 requests, observed 300" in fault


SPLIT = (replace(TO_V1, weight=Fraction(3)), replace(TO_V2, weight=Fraction(1)))
MIRRORED = [(frozenset({"shop/v3"}), 1, 4)]


@pytest.mark.parametrize(
    ("expectation", "outcomes", "mirrors", "said"),
    [
        (expected(V1), [TO_V1], [], None),
        (expected(V2), [TO_V1], [], "expects status 200, read by shop/v2, the oracles say status 200, read by shop/v1"),
        (expected(V1), [NOBODY], [], "the oracles say status 404, read by nobody (no rule of a route matches)"),
        (expected(V1), SPLIT, [], "the oracles also say status 200, read by shop/v2 (the rule's backend, route.yaml:8)"),
        (expected(replace(V1, tries=2)), [TO_V1], [], "read by shop/v1 2 times, the oracles say"),
        (expected(replace(V1, path="/a", host="web", headers=(("X-Set", "one"), ("X-Gone", None)))), [TO_V1], [], None),
        (expected(replace(V1, path="/b")), [TO_V1], [], "expects the path /b to arrive, the oracle says /a"),
        (expected(replace(V1, host="b")), [TO_V1], [], "expects the host b to arrive, the oracle says web"),
        (expected(replace(V1, headers=(("X-Set", "b"),))), [TO_V1], [], "expects X-Set: b to arrive, the oracle says one"),
        (expected(replace(V1, headers=(("X-New", "b"),))), [TO_V1], [], "expects X-New: b to arrive, the oracle says None"),
        (expected(replace(V1, returns=(("X-R", None),))), [TO_V1], [], "expects X-R: None to return, the oracle says two"),
        (expected(replace(V1, weight=3), replace(V2, weight=1), times=400), SPLIT, [], None),
        (expected(replace(V1, weight=1), replace(V2, weight=1), times=400), SPLIT, [], "for 1 in 2 requests, the oracle"),
        (expected(replace(V1, weight=3), replace(V2, weight=1), times=20), SPLIT, [], "cannot tell these shares"),
        (expected(V1, copies=(QUARTER,), times=9), [TO_V1], MIRRORED, None),
        (expected(V1, copies=(ALL,)), [TO_V1], MIRRORED, "expects copies for shop/v3 of 1, the oracle says shop/v3 of 0.25"),
        (expected(V1), [TO_V1], MIRRORED, "expects copies for nobody, the oracle says shop/v3 of 0.25"),
    ],
)  # fmt: skip
def test_what_a_case_expects_has_to_follow(
    expectation: RoutedExpectation,
    outcomes: Sequence[Outcome],
    mirrors: list[tuple[frozenset[str], int, int]],
    said: str | None,
) -> None:
    found = list(contradictions(expectation, outcomes, mirrors))
    assert bool(found) is (said is not None)
    assert said is None or said in found[0]


def timed(seconds: float, read: tuple[ReadRequest, ...] = (READ,)) -> Try:
    return Try(replace(ANSWER, began=5.0, ended=5.0 + seconds), read)


@pytest.mark.parametrize(
    ("least", "before", "seconds", "right"),
    [(1.0, None, 1.0, True), (1.0, None, 0.9, False), (None, 2.0, 1.9, True), (None, 2.0, 2.0, False), (1.0, 2.0, 1.5, True)],
)
def test_an_answer_comes_neither_too_soon_nor_too_late(
    least: float | None, before: float | None, seconds: float, right: bool
) -> None:
    delayed = replace(TO_V1, delay=1.0)
    judged = judge_requests([sight(timed(seconds), shares=[replace(V1, at_least=least, before=before)], outcomes=[delayed])])
    assert bool(judged.faults) is not right
    assert right or f"after {seconds:.3f} s" in judged.faults[0]


def test_requests_are_told_apart_by_how_long_they_took() -> None:
    shares = [replace(V1, at_least=1.0, count=(2, 2)), replace(V1, before=1.0, count=(1, 1))]
    assert not judge_requests([sight(timed(1.2), timed(0.1), timed(1.1), shares=shares)]).faults
    assert len(judge_requests([sight(timed(1.2), timed(0.1), timed(0.2), shares=shares)]).faults) == 2


@pytest.mark.parametrize(
    ("count", "said"), [((2, 2), ""), ((1, 3), ""), ((3, 3), "expected 3 of 3"), ((0, 1), "expected 0 to 1 of 3")]
)
def test_each_share_comes_about_as_many_times_as_it_should(count: tuple[int, int], said: str) -> None:
    shares, outcomes = [replace(V1, count=count), GONE], [TO_V1, NOBODY]
    judged = judge_requests([sight(GOOD, GOOD, Try(RoutedAnswer(404), ()), shares=shares, outcomes=outcomes)])
    assert said in "".join(judged.faults)
    assert bool(said) is bool(judged.faults)


@pytest.mark.parametrize(("connections", "right"), [((1, 1, 2), True), ((1, 1, 1), False), ((None, None, None), False)])
def test_no_connection_carries_more_than_it_may(connections: tuple[int | None, ...], right: bool) -> None:
    expectation = replace(expected(V1, times=3), per_connection=2)
    tries = [Try(ANSWER, (replace(READ, connection=each),)) for each in connections]
    assert bool(judge_requests([RoutedSight(expectation, [TO_V1], tries)]).faults) is not right
