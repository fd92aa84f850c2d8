"""What a client saw of a call, as a verdict."""

from typing import Any

import pytest

from harness.model.call import STATUSES, CallKind, GRPCCall
from harness.model.flow import Flow, Verdict
from harness.model.request import HTTPRequest
from harness.traffic.asker import Connections, ends
from harness.traffic.calls.asking import is_call, judge, refused

API = "shop/api"


def flow(kind: CallKind = CallKind.UNARY, answer: str = "OK", port: int = 8080) -> Flow:
    return Flow("shop/client", API, port, request=GRPCCall("shop.Cart/Add", kind=kind, answer=answer))


def said(code: str = "OK", by: str | None = API, details: str = "", whole: bool = True) -> dict[str, Any]:
    return {"code": STATUSES.index(code), "details": details, "by": by, "whole": whole}


@pytest.mark.parametrize(
    ("asked", "seen", "verdict", "detail"),
    [
        (flow(), said(), Verdict.FORWARDED, "OK from shop/api"),
        (flow(), said(by="shop/cart"), Verdict.REDIRECTED, "answered by shop/cart, not by shop/api"),
        (flow(), said(whole=False), Verdict.REJECTED, "OK from shop/api, but not every message was answered"),
        (flow(), said("INTERNAL"), Verdict.REJECTED, "INTERNAL from shop/api, which said OK"),
        (flow(), said("PERMISSION_DENIED", None, "Access denied"), Verdict.REJECTED, "PERMISSION_DENIED: Access denied"),
        (flow(), said("OK", None), Verdict.REJECTED, "OK"),
        (flow(), said("DEADLINE_EXCEEDED", None), Verdict.DROPPED, "silence"),
        (flow(answer="NOT_FOUND"), said("NOT_FOUND", whole=False), Verdict.FORWARDED, "NOT_FOUND from shop/api"),
        (flow(answer="NOT_FOUND"), said("UNKNOWN"), Verdict.REJECTED, "UNKNOWN from shop/api, which said NOT_FOUND"),
        (flow(CallKind.BIDI, "ABORTED"), said("ABORTED", whole=False), Verdict.REJECTED, "not every message"),
        (flow(answer="PERMISSION_DENIED"), said("PERMISSION_DENIED"), Verdict.FORWARDED, "PERMISSION_DENIED from shop/api"),
    ],
)
def test_who_answered_and_how_it_ended_decide(asked: Flow, seen: dict[str, Any], verdict: Verdict, detail: str) -> None:
    observed = judge(seen, asked, 0.1)
    assert observed.verdict is verdict
    assert detail in observed.detail
    assert observed.status == seen["code"]


def test_only_permission_denied_by_nobody_is_a_refusal() -> None:
    assert refused(judge(said("PERMISSION_DENIED", None), flow(), 0.1))
    assert not refused(judge(said("UNAVAILABLE", None), flow(), 0.1))
    assert not refused(judge(said("PERMISSION_DENIED"), flow(answer="PERMISSION_DENIED"), 0.1))


def test_servers_are_needed_wherever_anything_is_asked_at_a_port_of_calls() -> None:
    beside = Flow("data/cache", "shop/cart", 8080, request=HTTPRequest())
    elsewhere = Flow("lab/client", "data/db", 9090)
    assert ends([flow(), beside, elsewhere], is_call) == (["shop/client"], [API, "shop/cart"], [8080])
    assert ends([beside, elsewhere], is_call) == ([], [], [])


def test_calls_between_the_same_ends_have_one_connection() -> None:
    names = Connections({})
    assert names.of(flow()) == names.of(flow(CallKind.BIDI))
    assert names.of(flow()) != names.of(flow(port=8081))


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        (GRPCCall("a.B/C"), "gRPC a.B/C"),
        (
            GRPCCall("a.B/C", kind=CallKind.BIDI, size=4, answer="ABORTED", shared=True),
            "gRPC a.B/C (bidi, 4 bytes, answer ABORTED, shared connection)",
        ),
    ],
)
def test_a_call_says_what_tells_it_from_others(call: GRPCCall, shown: str) -> None:
    assert str(call) == shown
