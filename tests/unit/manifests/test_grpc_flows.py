"""Calls of gRPC in conformance cases."""

from pathlib import Path

import pytest
from request_cases import HEAD, case_file, refusal

from harness.manifests.case import load_cases
from harness.model.bench import Opened
from harness.model.call import CallKind, GRPCCall

ENDS = "from: shop/a, to: shop/b, port: 80, family: 4"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return case_file(tmp_path)


def test_a_call_is_read_as_it_is_written(file: Path) -> None:
    grpc = (
        "{method: a.B/C, host: x.y, headers: {X-Team: [one, two]}, kind: bidi, bytes: 7, answer: ABORTED, connection: shared}"
    )
    file.write_text(
        f"{HEAD}steps:\n- expect: {{flows: [{{{ENDS}, grpc: {{method: a.B/C}}, verdict: forwarded}}]}}\n"
        f"- expect: {{flows: [{{{ENDS}, grpc: {grpc}, opened: asked, verdict: denied}}]}}\n"
    )
    (case,) = load_cases([file.parents[1]])
    (plain,), (full,) = (step.expectations for step in case.steps)
    assert (plain.flow.request, plain.opened) == (GRPCCall("a.B/C"), Opened.NOW)
    headers = (("X-Team", "one"), ("X-Team", "two"))
    assert full.flow.request == GRPCCall("a.B/C", "x.y", headers, CallKind.BIDI, 7, "ABORTED", True)
    assert full.opened is Opened.ASKED


FLOWS = {
    "grpc: {method: C}": '.grpc.method: want package.Service/Method, found "C"',
    "grpc: {method: a/b, kind: both}": ".grpc.kind: want unary, client-stream, server-stream or bidi",
    "grpc: {method: a/b, answer: NOT_FOUNT}": '.grpc.answer: no status of gRPC is called "NOT_FOUNT" (did you mean',
    "grpc: {method: a/b, bytes: 1048577}": ".grpc.bytes: want at most 1048576",
    "grpc: {method: a/b, headers: {te: x}}": ".grpc.headers.te: cannot be given",
    "grpc: {method: a/b, headers: {Grpc-Timeout: 1S}}": ".grpc.headers.Grpc-Timeout: cannot be given",
    "grpc: {method: a/b, headers: {token-bin: x}}": ".grpc.headers.token-bin: cannot be given",
    "grpc: {method: a/b, headers: {x: é}}": ".grpc.headers.x: want metadata of visible ASCII characters and spaces",
    "grpc: {method: a/b}, opened: before": ".opened: such a connection carries a request of its own",
    "grpc: {method: a/b}, as: {uid: 1}": ".as: the lab's clients of gRPC are root; remove it",
    "grpc: {method: a/b}, status: 403": ".status: only an answer to a request of HTTP has one",
    "grpc: {method: a/b}, http: {}": ".grpc: beside http; write a flow for each",
}


@pytest.mark.parametrize(("written", "message"), FLOWS.items(), ids=FLOWS)
def test_a_call_that_cannot_be_made_is_refused(file: Path, written: str, message: str) -> None:
    assert refusal(file, f"expect: {{flows: [{{{ENDS}, {written}, verdict: rejected}}]}}\n").startswith(f"4: flows[0]{message}")


def test_only_bidirectional_calls_go_on_through_a_change(file: Path) -> None:
    flows = f"{{flows: [{{{ENDS}, grpc: {{method: a/b}}, opened: asked, verdict: denied}}]}}"
    said = refusal(file, f"steps: [{{expect: {{otherwise: denied}}}}, {{expect: {flows}}}]\n")
    assert said.startswith("4: steps[1].expect.flows[0].opened: only a call of kind bidi goes on through a change")


CALL = f"{{{ENDS}, grpc: {{method: a/b}}, verdict: forwarded}}"
CASES = {
    f"expect: {{flows: [{CALL}, {{from: shop/b, to: shop/a, port: 80, verdict: denied}}]}}":
        "4: flows[1].port: gRPC is called at this port, which answers only that and HTTP",
    f"port: 80\nexpect: {{otherwise: denied, flows: [{CALL}]}}": "5: otherwise: port 80, where gRPC is called, has no",
    f"steps: [{{expect: {{flows: [{CALL}]}}}}, {{pods: [{{delete: shop/a}}], expect: {{otherwise: denied}}}}]":
        "1: title: gRPC is called where no pods change",
}  # fmt: skip


@pytest.mark.parametrize(("written", "message"), CASES.items(), ids=CASES.values())
def test_a_case_in_which_calls_and_others_would_meet_is_refused(file: Path, written: str, message: str) -> None:
    assert refusal(file, written + "\n").startswith(message)


def test_requests_of_http_may_go_where_calls_go(file: Path) -> None:
    file.write_text(f"{HEAD}expect: {{flows: [{CALL}, {{{ENDS}, http: {{}}, verdict: forwarded}}]}}\n")
    assert len(load_cases([file.parents[1]])) == 1
