"""What a backend sees of a request that went through a node proxy, and what Envoy refuses of itself."""

import pytest
from http_ends import Backend, raw
from request_policies import http, ingress, rule

from harness.dataplanes.port import Attachment
from harness.lab.port import Lab, LabPod


def test_a_request_reaches_the_backend_as_it_was_sent(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    plane.apply([ingress("server", rule("client", http()))])
    head = (
        b"GET /a/b/%20c?q=%20//..%61 HTTP/1.1\r\nHost: Back.End:8080\r\nX-CaseD: Kept\r\nx-request-id: mine\r\n"
        b"X-Forwarded-For: 10.1.2.3\r\nAccept: */*\r\n\r\n"
    )
    answer = raw(client, pair_lab.pod("shop/server"), head)
    (seen,) = backends["server"].seen
    assert seen.head == head
    assert b"\r\nServer: own\r\n" in answer


def test_a_clients_own_forwarded_proto_is_passed_on_and_none_is_added(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    plane.apply([ingress("server", rule("client", http()))])
    server = pair_lab.pod("shop/server")
    raw(client, server, b"GET / HTTP/1.1\r\nHost: b\r\nX-Forwarded-Proto: https\r\nA: b\r\n\r\n")
    raw(client, server, b"GET / HTTP/1.1\r\nHost: b\r\nx-node-proxy-forwarded-proto: https\r\n\r\n")
    first, second = backends["server"].seen
    assert sorted(first.lines) == [b"A: b", b"Host: b", b"X-Forwarded-Proto: https"]
    assert second.lines == [b"Host: b"]


@pytest.mark.parametrize(
    ("said", "arrived"),
    [
        (b"GET /a HTTP/1.0\r\nHost: b\r\n\r\n", b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n"),
        (b"GET /a HTTP/1.1\r\nHost: b\r\nHost: c\r\n\r\n", b"GET /a HTTP/1.1\r\nHost: b,c\r\n\r\n"),
        (b"GET http://c/a HTTP/1.1\r\nHost: b\r\n\r\n", b"GET /a HTTP/1.1\r\nHost: c\r\n\r\n"),
        (
            b"GET /a HTTP/1.1\r\nHost: b\r\nKeep-Alive: 5\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n",
            b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n",
        ),
    ],
    ids=["HTTP/1.0", "two hosts", "absolute form", "hop by hop"],
)
def test_what_envoy_has_to_make_its_own(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], said: bytes, arrived: bytes
) -> None:
    plane.apply([ingress("server", rule("client", http()))])
    raw(client, pair_lab.pod("shop/server"), said)
    assert [seen.head for seen in backends["server"].seen] == [arrived]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", 404),
        (b"GET /a#b HTTP/1.1\r\nHost: b\r\n\r\n", 400),
        (b"GET /a HTTP/1.0\r\n\r\n", 400),
        (b"CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n", 403),
        (b"POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost : b\r\n\r\n", 400),
    ],
)
def test_what_envoy_refuses_of_itself_reaches_no_backend(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], said: bytes, status: int
) -> None:
    plane.apply([ingress("server", rule("client", http()))])
    answer = raw(client, pair_lab.pod("shop/server"), said)
    assert int(answer.split(b" ", 2)[1]) == status
    assert backends["server"].targets() == []


def test_envoys_own_headers_are_taken_from_nobody(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    """They would choose retries and timeouts; also where the client claims to be inside."""
    plane.apply([ingress("server", rule("client", http()))])
    own = b"x-envoy-upstream-rq-timeout-ms: 1\r\nx-envoy-retry-on: 5xx\r\n"
    head = b"GET / HTTP/1.1\r\nHost: b\r\nX-Forwarded-For: 10.0.0.1\r\n%s\r\n" % own
    assert b"200 OK" in raw(client, pair_lab.pod("shop/server"), head)
    (seen,) = backends["server"].seen
    assert seen.lines == [b"Host: b", b"X-Forwarded-For: 10.0.0.1"]


def test_a_client_that_asks_before_it_sends_is_answered_by_the_backend(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    plane.apply([ingress("server", rule("client", http("/a")))])
    server = pair_lab.pod("shop/server")
    head = b"POST %s HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    assert raw(client, server, head % b"/b").startswith(b"HTTP/1.1 403 ")
    assert raw(client, server, head % b"/a").startswith(b"HTTP/1.1 200 ")
    (seen,) = backends["server"].seen
    assert b"Expect: 100-continue" in seen.lines


@pytest.mark.parametrize("said", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n\r\n"])
def test_what_is_no_http_is_refused_by_envoy(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], said: bytes
) -> None:
    plane.apply([ingress("server", rule("client", http()))])
    assert raw(client, pair_lab.pod("shop/server"), said).startswith(b"HTTP/1.1 400 ")
    assert backends["server"].targets() == []
