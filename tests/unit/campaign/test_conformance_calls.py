"""Calls of gRPC in a step, without a lab."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from harness.campaign.conformance import calls
from harness.campaign.conformance.calls import answer_for, call_sights, callers, calls_kept
from harness.campaign.conformance.oracles import consult
from harness.dataplanes import find
from harness.judge.conformance import judge
from harness.model.bench import Expectation, Opened
from harness.model.call import PERMISSION_DENIED, CallKind, GRPCCall
from harness.model.case import Case, Step
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, HTTPRule, L7Rules, PortRule
from harness.model.fault import Symptom
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.kafka import KafkaAsk
from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.topology import Namespace, Pod, Topology
from harness.oracle import direct
from harness.traffic.asker import Connections
from harness.traffic.calls.asking import refused
from harness.traffic.port import LoadFailed
from harness.traffic.probe import Observation

HERE = Origin("scenario.yaml", 5)
TOPOLOGY = Topology("t", ("n1",), (Namespace("shop"),), (Pod("client", "shop", "n1"), Pod("api", "shop", "n1")))
GET = Flow("shop/client", "shop/api", 8080, request=GRPCCall("a.B/Get"))
DROP = replace(GET, request=GRPCCall("a.B/Drop"))
TALK = replace(GET, request=GRPCCall("a.B/Talk", kind=CallKind.BIDI))
RECORD = Evidence("node-proxy", "rbac_access_denied")


def policy(*methods: str, port: str = "8080") -> CiliumPolicy:
    rules = L7Rules(HERE, http=tuple(HTTPRule(HERE, path=f"/a.B/{method}") for method in methods))
    rule = CiliumRule(HERE, ports=(PortRule(HERE, (CiliumPort(HERE, port, protocol="TCP"),), rules),))
    return CiliumPolicy(HERE, "p", "shop", (CiliumSpec(HERE, LabelSelector(), (rule,)),))


def expected(flow: Flow, verdict: Verdict, opened: Opened = Opened.NOW) -> Expectation:
    return Expectation(HERE, flow, verdict, opened=opened)


class Programs:
    """An asker: calls of refused methods are refused, and ``seen`` has what was made at once."""

    def __init__(self, *refused: Flow, status: int = PERMISSION_DENIED, leak: str | None = None) -> None:
        self.denied = refused
        self.seen: list[list[Flow]] = []
        self._status = status
        self._leak = leak

    def asks(self, flow: Flow) -> bool:
        return isinstance(flow.request, GRPCCall)

    def ask(self, flows: Sequence[Flow], seconds: float, kept: Any = None, *, all_kept: bool = False) -> list[Observation]:
        self.seen.append(list(flows))
        return [
            Observation(Verdict.REJECTED, 0.0, "refused", 7, self._status)
            if flow in self.denied
            else Observation(Verdict.FORWARDED, 0.0, "answered", 7)
            for flow in flows
        ]

    def begin(self, flows: Sequence[Flow], kept: Any) -> list[int]:
        return [9 for _ in flows]

    def go_on(self, flows: Sequence[Flow], seconds: Any, kept: Any, nonces: Any) -> list[Observation]:
        return self.ask(flows, 0.0, kept)

    def connections(self) -> AbstractContextManager[Connections]:
        return nullcontext(Connections({}))

    def watch(self) -> Any:
        return SimpleNamespace(reached=lambda flow, nonce: self._leak)

    def refused(self, seen: Observation) -> bool:
        return refused(seen)


@pytest.fixture(autouse=True)
def _no_responders(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = SimpleNamespace(settle=list, reached=lambda *args, **more: None)
    monkeypatch.setattr(calls, "Watch", lambda *args: watch)


def judged(programs: Programs, *expectations: Expectation, evidence: Evidence | None = RECORD) -> Any:
    step = Step(HERE, (policy("Get"),), expectations)
    attachment: Any = SimpleNamespace(evidence=lambda flow: evidence)
    lab: Any = None
    seen = call_sights(step, find("node-proxy"), lab, attachment, {}, programs)
    return judge(seen, {each.flow: direct.answer(each.flow, step.policies, TOPOLOGY) for each in expectations})


def test_allowed_calls_are_made_before_and_after_the_refused_ones() -> None:
    programs = Programs(DROP)
    found = judged(programs, expected(GET, Verdict.FORWARDED), expected(DROP, Verdict.REJECTED))
    assert found.faults == ()
    assert [each for each in programs.seen if each] == [[GET], [DROP], [GET]]


def test_calls_that_share_a_connection_are_made_together(monkeypatch: pytest.MonkeyPatch) -> None:
    get, drop = (replace(each, request=replace(each.request, shared=True)) for each in (GET, DROP))  # type: ignore[type-var]
    programs = Programs(drop)
    assert judged(programs, expected(get, Verdict.FORWARDED), expected(drop, Verdict.REJECTED)).faults == ()
    assert [drop, get] in programs.seen


@pytest.mark.parametrize(
    ("status", "leak", "evidence", "symptom", "said"),
    [
        (14, None, RECORD, Symptom.BREAKS, "expected rejected with status 7, observed rejected"),
        (7, "its server was reached (called)", RECORD, Symptom.ADMITS, "yet its server was reached (called)"),
        (7, None, None, Symptom.BREAKS, "has no record"),
    ],
)
def test_a_refusal_has_gRPCs_status_a_record_and_a_server_that_saw_nothing(  # noqa: N802 - its name
    status: int, leak: str | None, evidence: Evidence | None, symptom: Symptom, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = Programs(DROP, status=status, leak=leak)
    found = judged(programs, expected(GET, Verdict.FORWARDED), expected(DROP, Verdict.REJECTED), evidence=evidence)
    assert found.symptoms == {symptom}
    assert said in found.faults[0]


def test_older_connections_are_called_over_while_begun_calls_are_open() -> None:
    programs = Programs(DROP)
    asked = (expected(TALK, Verdict.FORWARDED, Opened.ASKED), expected(DROP, Verdict.REJECTED, Opened.EARLIER))
    with calls_kept(Step(HERE, (), asked), programs) as kept:
        assert kept is not None
        seen = kept.sights(SimpleNamespace(evidence=lambda flow: RECORD))
    assert programs.seen == [[DROP], [DROP], [TALK]]
    assert [(each.expectation, each.observed) for each in seen] == [
        (asked[0], Verdict.FORWARDED), (asked[1], Verdict.REJECTED)
    ]  # fmt: skip


def test_a_connection_that_does_not_open_is_no_verdict() -> None:
    programs = Programs(GET, status=14)
    step = Step(HERE, (), (expected(GET, Verdict.FORWARDED, Opened.EARLIER),))
    with pytest.raises(LoadFailed, match="no connection could be opened"), calls_kept(step, programs):
        pytest.fail("entered")


@pytest.mark.parametrize(
    ("later", "verdict"),
    [(policy("Get"), Verdict.FORWARDED), (policy("Talk"), Verdict.FORWARDED), (policy("Talk", port="9090"), Verdict.DROPPED)],
)
def test_a_call_in_progress_was_judged_when_it_began_and_its_packets_are_judged_now(
    later: CiliumPolicy, verdict: Verdict
) -> None:
    asked = expected(TALK, Verdict.FORWARDED, Opened.ASKED)
    assert answer_for(asked, (later,), TOPOLOGY, ((policy("Talk"),), TOPOLOGY)).verdict is verdict
    steps = (Step(HERE, (policy("Talk"),), (expected(TALK, Verdict.FORWARDED),)), Step(HERE, (later,), (asked,)))
    contradictions = consult(Case("c", "grpc", "t", "w", HERE, TOPOLOGY, steps), TOPOLOGY).contradictions
    assert bool(contradictions) is (verdict is not Verdict.FORWARDED)


def test_a_call_over_an_older_connection_is_judged_by_what_is_in_force() -> None:
    asked = expected(TALK, Verdict.REJECTED, Opened.EARLIER)
    assert answer_for(asked, (policy("Get"),), TOPOLOGY, ((policy("Talk"),), TOPOLOGY)).verdict is Verdict.REJECTED


def test_only_cases_with_calls_need_programs_for_them() -> None:
    def case(flow: Flow) -> Case:
        return Case("c", "grpc", "t", "w", HERE, TOPOLOGY, (Step(HERE, (), (expected(flow, Verdict.FORWARDED),)),))

    assert callers(case(GET)) == {"grpc"}
    assert callers(case(replace(GET, request=KafkaAsk("metadata")))) == {"kafka"}
    assert callers(case(replace(GET, request=None))) == set()
