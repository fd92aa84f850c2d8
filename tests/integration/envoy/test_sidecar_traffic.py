"""What passes through sidecars, and how it looks between the nodes."""

import pytest
from sidecar_clients import PORT, answer, ask, connect, line_server
from wire_capture import await_bytes, captured

from harness.dataplanes.port import Attachment
from harness.lab.port import Lab, LabPod
from harness.model.flow import Verdict

MARKER = b"/plaintext-marker-4711"


@pytest.mark.parametrize("family", [4, 6])
def test_request_is_answered_by_the_pod_that_was_meant(unrestricted: Attachment, pair_lab: Lab, family: int) -> None:
    for source in ("shop/client", "shop/server"):
        assert ask(pair_lab, source, family=family).verdict is Verdict.FORWARDED


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("said", [b"4711 is no request\n", b"abcdefghijklmnopqrstuvwxyz", b"\x16\x03\x01\x00"], ids=repr)
def test_what_is_not_http_passes_as_it_is(
    unrestricted: Attachment, pair_lab: Lab, server: LabPod, family: int, said: bytes
) -> None:
    with line_server(server, 2525), connect(pair_lab.pod("shop/client"), server, 2525, family) as connection:
        connection.sendall(said)
        assert connection.recv(99) == said


@pytest.mark.parametrize("port", [2525, 2626], ids=["declared", "undeclared"])
def test_server_may_speak_first_where_its_port_is_declared_tcp(
    unrestricted: Attachment, pair_lab: Lab, server: LabPod, port: int
) -> None:
    with line_server(server, port, b"welcome"), connect(pair_lab.pod("shop/client"), server, port) as connection:
        if port == 2525:
            assert connection.recv(99) == b"welcome"
        else:
            connection.sendall(b"\x00")
            assert connection.recv(99).startswith(b"welcome")


def test_nothing_loops_through_the_sidecars_own_ports(unrestricted: Attachment, pair_lab: Lab, server: LabPod) -> None:
    for port in (15001, 15006):
        with connect(pair_lab.pod("shop/client"), server, port) as connection:
            assert b"200 OK" not in answer(connection, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ask(pair_lab, "shop/client").verdict is Verdict.FORWARDED


def test_only_mutual_tls_hides_requests_on_the_wire(
    unrestricted: Attachment, plane: str, pair_lab: Lab, server: LabPod
) -> None:
    with captured(pair_lab, "n1", "n2") as capture, connect(pair_lab.pod("shop/client"), server, PORT) as connection:
        connection.sendall(b"GET " + MARKER + b" HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n")
        while connection.recv(4096):
            pass
        # What a node itself sends has no sidecar: it is the last that the capture must have seen.
        tail = b"end-of-capture"
        with connect(pair_lab.node("n1"), server, PORT) as last:
            last.sendall(tail)
            await_bytes(capture, tail)
    seen = capture.read_bytes()
    assert (MARKER in seen) is (plane == "sidecar")
    assert (b"spiffe" in seen) is False


def test_server_with_certificates_takes_no_plaintext(
    unrestricted: Attachment, plane: str, pair_lab: Lab, server: LabPod
) -> None:
    with connect(pair_lab.node("n2"), server, PORT) as connection:
        got = answer(connection, b"GET /name HTTP/1.1\r\nHost: server\r\n\r\n")
    assert (b"200 OK" in got) is (plane == "sidecar")
