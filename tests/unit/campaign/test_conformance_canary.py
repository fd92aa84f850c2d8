"""Which flow tells of a change, and what it proves."""

from collections.abc import Sequence

import pytest

from harness.campaign.conformance.canary import WatchedChange, flow_that_turns
from harness.judge.canary import judge_canary
from harness.model.bench import Expectation, Opened
from harness.model.canary import CanarySeen
from harness.model.case import Step
from harness.model.cilium import Policy
from harness.model.fault import Symptom
from harness.model.flow import ICMP, Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy
from harness.model.topology import Namespace, Pod, Topology
from harness.model.verdict import Answer, Decision

HERE = Origin("case.yaml", 1)
TOPOLOGY = Topology(
    "t", ("n1",), (Namespace("shop"), Namespace("lab")),
    tuple(Pod(name, namespace, "n1", ips=(f"10.0.0.{number}",)) for number, (namespace, name) in enumerate(
        [("shop", "a"), ("shop", "b"), ("lab", "c")], 1
    )),
)  # fmt: skip
ISOLATED = NetworkPolicy(Origin("np.yaml", 1), "isolate", "shop", LabelSelector(), ("Ingress",))
TURNS, ALLOWED = Flow("shop/a", "shop/b", 80), Flow("shop/a", "lab/c", 80)


def step(*expectations: Expectation) -> Step:
    return Step(HERE, (ISOLATED,), expectations)


@pytest.mark.parametrize(("in_force", "found"), [((), TURNS), ((ISOLATED,), None)])
def test_it_is_denied_now_and_was_allowed_before(in_force: Sequence[Policy], found: Flow | None) -> None:
    allowed, denied = Expectation(HERE, ALLOWED, Verdict.FORWARDED), Expectation(HERE, TURNS, Verdict.DENIED)
    turning = flow_that_turns(step(allowed, denied), in_force, TOPOLOGY)
    assert (turning and turning.flow) == found


def test_pings_and_older_connections_tell_of_no_change() -> None:
    ping = Expectation(HERE, Flow("shop/a", "shop/b", 0, "ICMP", icmp=ICMP(8)), Verdict.DENIED)
    older = Expectation(HERE, TURNS, Verdict.DENIED, opened=Opened.EARLIER)
    assert flow_that_turns(step(ping, older), (), TOPOLOGY) is None


@pytest.mark.parametrize(("late", "symptoms"), [(0, set()), (2, {Symptom.ADMITS})])
def test_what_gets_through_once_a_change_is_in_force_is_a_wrong_admission(late: int, symptoms: set[Symptom]) -> None:
    seen = CanarySeen(TURNS, 0.01, meanwhile=10, admitted=4, last=0.004, after=5, late=late, latest=0.0021)
    isolated = Decision(Verdict.DROPPED, Origin("np.yaml", 1), "isolated, and no rule allows")
    expectation = Expectation(HERE, TURNS, Verdict.DENIED)
    judged = judge_canary(seen, expectation, {TURNS: Answer(Verdict.DROPPED, isolated, isolated)})
    assert judged.symptoms == symptoms
    if late:
        (fault,) = judged.faults
        assert "expected denied, observed that 2 of 5 begun after" in fault
        assert "2.1 ms after" in fault
        assert "deciding rule: np.yaml:1" in fault
    else:
        assert judged.faults == ()


def test_without_a_flow_that_turns_nothing_is_proven() -> None:
    change = WatchedChange(None, None, None, False)
    change.end()
    judged, seen = change.judged({})
    assert (judged.faults, seen) == ((), None)
