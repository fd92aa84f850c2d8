"""Real clients and servers of gRPC, on loopback."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived
from loopback import LocalPod

from harness.lab.port import Lab
from harness.model.call import PERMISSION_DENIED, STATUSES, CallKind, GRPCCall
from harness.model.flow import Flow, Verdict
from harness.model.routed import Asked
from harness.model.routing import Call
from harness.traffic.calls import asking
from harness.traffic.calls.asking import CallWatch
from harness.traffic.calls.programs import CallPrograms, call_programs
from harness.traffic.port import LoadFailed
from harness.traffic.routed import ask

REF = "test/local"
METHOD = "shop.Catalogue/Get"
SECONDS = 20.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture
def programs(local: LocalPod) -> Iterator[tuple[CallPrograms, int]]:
    """A client and a server that run, and the server's port."""
    port = free_port()
    lab = cast(Lab, SimpleNamespace(pod=lambda ref: local))
    with call_programs(lab, [REF], [REF], [port]) as running:
        yield running, port


def flow(port: int, family: int = 4, **call: Any) -> Flow:
    return Flow(REF, REF, port, family=family, request=replace(GRPCCall(METHOD), **call))


def test_calls_of_every_kind_are_answered_over_either_family(programs: tuple[CallPrograms, int]) -> None:
    running, port = programs
    flows = [flow(port, family, kind=kind, size=size) for kind in CallKind for family in (4, 6) for size in (0, 1 << 20)]
    seen = asking.ask(flows, running, SECONDS)
    assert [(each.verdict, each.detail) for each in seen] == [(Verdict.FORWARDED, f"OK from {REF}")] * len(flows)


@pytest.mark.parametrize("kind", CallKind)
def test_a_servers_error_is_told_from_a_refusal(kind: CallKind, programs: tuple[CallPrograms, int]) -> None:
    running, port = programs
    seen = asking.ask([flow(port, kind=kind, answer=answer) for answer in STATUSES[1:]], running, SECONDS)
    assert [each.verdict for each in seen] == [Verdict.FORWARDED] * (len(STATUSES) - 1)
    assert [each.status for each in seen] == list(range(1, len(STATUSES)))
    assert not any(asking.refused(each) for each in seen)


def test_the_server_writes_down_what_it_was_called_by(programs: tuple[CallPrograms, int]) -> None:
    running, port = programs
    (earlier,) = asking.ask([flow(port)], running, SECONDS)
    watch = CallWatch(running)
    asked = flow(port, headers=(("X-Team", "web"),), host="catalogue.example")
    (seen,) = asking.ask([asked], running, SECONDS)
    called, served = running.servers[REF].arrived()[-2:]
    assert (called["what"], called["method"], dict(called["metadata"])["x-team"]) == ("called", METHOD, "web")
    assert (served["what"], served["peer"].rpartition(":")[0]) == ("served", "127.0.0.1")
    assert watch.reached(asked, seen.nonce) == "its server was reached (called)"
    assert watch.reached(asked, earlier.nonce) is None


def test_calls_to_a_service_are_made_as_often_as_said_and_known_by_their_servers(programs: tuple[CallPrograms, int]) -> None:
    running, port = programs
    before = running.servers[REF].count()

    def to_web(times: int, **call: Any) -> Asked:
        return Asked(Call(REF, "test/web", port, replace(GRPCCall(METHOD, "web.example"), **call)), times=times)

    many, failing = ask(
        [to_web(25, headers=(("X-Team", "web"),)), to_web(1, kind=CallKind.BIDI, answer="NOT_FOUND")],
        cast(Lab, None), {"test/web": ("127.0.0.1", "::1")}, running,
    )  # fmt: skip
    assert [(each.status, each.by) for _, each in many] == [("OK", REF)] * 25
    assert [(each.status, each.by) for _, each in failing] == [("NOT_FOUND", REF)]
    arrived = running.servers[REF].arrived(before)
    called = [each for each in arrived if each["what"] == "called"]
    assert {int(each["probe"], 16) for each in called} == {nonce for nonce, _ in [*many, *failing]}
    assert dict(called[0]["metadata"])["x-team"] == "web"
    peers = {each["peer"] for each in arrived if each["what"] == "served"}
    assert len(peers) == 2, "those of one request share a connection"


def test_a_call_that_was_begun_goes_on_beside_others_over_its_connection(programs: tuple[CallPrograms, int]) -> None:
    running, port = programs
    talk, get = flow(port, kind=CallKind.BIDI), flow(port)
    with asking.connections(running) as kept:
        nonces = asking.begin([talk], running, kept)
        watch = CallWatch(running)
        (other,) = asking.ask([get], running, SECONDS, kept, all_kept=True)
        assert watch.reached(talk, nonces[0]) is None
        (rest,) = asking.go_on([talk], running, [SECONDS], kept, nonces)
    assert (other.verdict, rest.verdict, rest.nonce) == (Verdict.FORWARDED, Verdict.FORWARDED, nonces[0])
    assert watch.reached(talk, nonces[0]) == "its server was reached (message)"
    peers = {each["peer"] for each in running.servers[REF].arrived() if each["what"] == "served"}
    assert len(peers) == 1


def test_calls_have_connections_of_their_own_unless_they_share_one(programs: tuple[CallPrograms, int]) -> None:
    running, port = programs
    with asking.connections(running) as kept:
        asking.ask([flow(port), flow(port, size=1)], running, SECONDS, kept)
        asking.ask([flow(port, shared=True), flow(port, size=1, shared=True)], running, SECONDS, kept)
    peers = [each["peer"] for each in running.servers[REF].arrived() if each["what"] == "served"]
    assert len({*peers[:2]}) == 2
    assert len({*peers[2:]}) == 1
    assert not {*peers[:2]} & {*peers[2:]}


def test_the_same_port_answers_http_and_writes_that_down(programs: tuple[CallPrograms, int]) -> None:
    running, port = programs
    asked = b"GET /name HTTP/1.1\r\nHost: x\r\nProbe: 00000000000000ab\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection, connection.makefile("rb") as answer:
        for _ in range(2):  # over the same connection
            connection.sendall(asked)
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
            assert answer.readline() == b"Content-Length: 10\r\n"
            assert answer.readline() == b"\r\n"
            assert answer.read(10) == REF.encode()
    assert [(each["what"], each["probe"]) for each in running.servers[REF].arrived()] == [("requested", f"{0xAB:016x}")] * 2


def test_where_nobody_listens_a_call_is_rejected_and_where_nobody_answers_it_is_dropped(
    programs: tuple[CallPrograms, int],
) -> None:
    running, _ = programs
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        flows = [flow(free_port()), *(flow(deaf.getsockname()[1], kind=kind) for kind in CallKind)]
        refused, *silent = asking.ask(flows, running, 1.0)
    assert (refused.verdict, STATUSES[refused.status]) == (Verdict.REJECTED, "UNAVAILABLE")
    assert refused.status != PERMISSION_DENIED
    assert [each.verdict for each in silent] == [Verdict.DROPPED] * len(CallKind)


def test_a_call_that_cannot_be_begun_is_no_verdict(programs: tuple[CallPrograms, int]) -> None:
    running, _ = programs
    with (
        asking.connections(running) as kept,
        pytest.raises(LoadFailed, match=r"gRPC shop\.Catalogue/Get \(bidi\).* could not be begun: UNAVAILABLE"),
    ):
        asking.begin([flow(free_port(), kind=CallKind.BIDI)], running, kept)


def test_a_server_that_cannot_listen_is_named_with_its_last_words(local: LocalPod) -> None:
    lab = cast(Lab, SimpleNamespace(pod=lambda ref: local))
    said = r"(?s)the server of gRPC in pod test/local ended with status 1: .*address already in use"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = call_programs(lab, [], [REF], [taken.getsockname()[1]])
        with pytest.raises(LoadFailed, match=said):
            running.__enter__()


def test_an_error_without_a_message_is_an_answer_of_trailers_only(programs: tuple[CallPrograms, int]) -> None:
    _, port = programs
    state = H2Connection(H2Configuration(header_encoding="utf-8"))
    state.initiate_connection()
    asked = {":method": "POST", ":path": f"/{METHOD}", ":scheme": "http", ":authority": "x", "content-type": "application/grpc"}
    state.send_headers(1, [*asked.items(), ("te", "trailers"), ("probe-answer", "NOT_FOUND")])
    state.send_data(1, b"\0\0\0\0\0", end_stream=True)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        while True:
            connection.sendall(state.data_to_send())
            said = connection.recv(65536)
            assert said, "the connection was closed"
            for event in state.receive_data(said):
                if isinstance(event, ResponseReceived):
                    assert event.stream_ended is not None
                    assert dict(event.headers)["grpc-status"] == "5"
                    assert dict(event.headers)["answered-by"] == REF
                    return
