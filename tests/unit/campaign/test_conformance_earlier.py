"""Connections that stay open through a change of policy, without a lab."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from harness.campaign.conformance import earlier, step
from harness.campaign.conformance.earlier import ask_over, kept_open
from harness.judge.conformance import judge
from harness.model.bench import Expectation, Opened
from harness.model.call import GRPCCall
from harness.model.case import Step
from harness.model.fault import Symptom
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.kafka import KafkaAsk
from harness.model.origin import Origin
from harness.model.request import HTTPRequest
from harness.model.verdict import Answer, Decision
from harness.traffic.port import LoadFailed
from harness.traffic.probe import Observation

HERE = Origin("case.yaml", 1)
REVOKED, NEW = Flow("shop/a", "shop/b", 80), Flow("shop/a", "shop/b", 81)
STEP = Step(
    HERE, (), (Expectation(HERE, REVOKED, Verdict.DENIED, opened=Opened.EARLIER), Expectation(HERE, NEW, Verdict.DENIED))
)
DROPPED = Decision(Verdict.DROPPED, HERE, "isolated")
ANSWERS = {REVOKED: Answer(Verdict.DROPPED, DROPPED, DROPPED)}


class Connection:
    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    def ask(self) -> Observation:
        return Observation(self._verdict, 0.0, "over it")


@pytest.mark.parametrize(
    ("seen", "recorded", "reached", "symptoms"),
    [
        (Verdict.DROPPED, True, None, set()),
        (Verdict.REJECTED, True, None, set()),
        (Verdict.FORWARDED, True, None, {Symptom.ADMITS}),
        (Verdict.DROPPED, False, None, {Symptom.BREAKS}),
        (Verdict.DROPPED, True, "its server read it", {Symptom.ADMITS}),
    ],
)
def test_a_revoked_connection_must_fall_silent_or_close_with_a_record(
    seen: Verdict, recorded: bool, reached: str | None, symptoms: set[Symptom], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Flow] = []

    @contextmanager
    def held(flow: Flow, lab: Any, server: Any) -> Iterator[Connection]:
        assert server is None
        opened.append(flow)
        yield Connection(seen)

    monkeypatch.setattr(earlier, "held", held)
    monkeypatch.setattr(earlier, "HeldConnection", Connection)
    attachment: Any = SimpleNamespace(evidence=lambda flow: Evidence("plane", "isolated") if recorded else None)
    lab: Any = None
    watch = SimpleNamespace(settle=list, reached=lambda flow, nonce, at_interface: reached)
    monkeypatch.setattr(earlier, "Watch", lambda lab, servers: watch)
    with kept_open(STEP, lab, {}) as connections:
        assert opened == [REVOKED]  # what is asked over a new connection is not opened before
        judged = judge(ask_over(connections, lab, {}, attachment), ANSWERS)
    assert judged.symptoms == symptoms
    assert bool(judged.faults) is bool(symptoms)


def test_the_server_that_owes_an_answer_is_the_one_that_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    owing: list[Any] = []

    @contextmanager
    def held(flow: Flow, lab: Any, server: Any) -> Iterator[None]:
        owing.append((flow, server))
        yield

    monkeypatch.setattr(earlier, "held", held)
    asked = Expectation(HERE, REVOKED, Verdict.DENIED, opened=Opened.ASKED)
    lab: Any = None
    servers: Any = {
        "shop/a": SimpleNamespace(process="server of a"),
        "shop/b": SimpleNamespace(process="server of b"),
    }
    with kept_open(Step(HERE, (), (asked,)), lab, servers) as connections:
        assert list(connections) == [asked]
    assert owing == [(REVOKED, "server of b")]


def test_requests_of_http_are_asked_over_older_connections_and_calls_are_left_to_their_own_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def held(flow: Flow, lab: Any, server: Any) -> Iterator[None]:
        yield

    monkeypatch.setattr(earlier, "held", held)
    asked = [
        Expectation(HERE, replace(REVOKED, request=request), Verdict.REJECTED, opened=Opened.EARLIER)
        for request in (None, HTTPRequest(), GRPCCall("a.B/C"), KafkaAsk("metadata"))
    ]
    lab: Any = None
    with kept_open(Step(HERE, (), tuple(asked)), lab, {}) as connections:
        assert list(connections) == asked[:2]


def test_a_step_of_which_something_was_not_asked_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Step(HERE, (), (Expectation(HERE, replace(NEW, protocol="UDP"), Verdict.DENIED),))
    monkeypatch.setattr(step, "sights", lambda *asked: [])
    attachment = SimpleNamespace(apply=lambda *policies: SimpleNamespace(seconds=0.0))
    site: Any = SimpleNamespace(plane=None, lab=None, servers={}, attachment=attachment, in_force=None, askers=())
    with pytest.raises(LoadFailed, match=r"case\.yaml:1: shop/a -> shop/b:81/UDP .*: nobody asked this \(now\)"):
        step.judge_step(asked, site, {})
