"""Connections that are opened at one time and asked over at another."""

import pytest

from harness.lab.port import Lab
from harness.model.flow import Flow, Verdict
from harness.model.request import HTTPRequest
from harness.traffic.arrivals import settle
from harness.traffic.held import held
from harness.traffic.responder import serve_all
from harness.traffic.transcript import Transcript

CLIENT, SERVER = "shop/client", "shop/server"


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("later", [False, True])
def test_a_connection_is_used_once_when_it_is_opened_and_once_when_it_is_asked_over(
    pair_lab: Lab, family: int, later: bool
) -> None:
    flow = Flow(CLIENT, SERVER, 8080, family=family)
    with (
        serve_all(pair_lab.pods, [8080]) as servers,
        held(flow, pair_lab, servers[SERVER].process if later else None) as connection,
    ):
        seen = connection.ask()
    assert (seen.verdict, seen.detail) == (Verdict.FORWARDED, f"answered by {SERVER}, over it")


def test_the_flows_own_request_is_asked_over_it(pair_lab: Lab) -> None:
    request = HTTPRequest("POST", "/a", headers=(("X-Team", "web"),))
    with serve_all(pair_lab.pods, [8080]) as servers:
        transcript = Transcript(servers[SERVER])
        with held(Flow(CLIENT, SERVER, 8080, request=request), pair_lab) as connection:
            seen = connection.ask()
        settle(servers.values())
        (read,) = transcript.connections()
    assert (seen.verdict, seen.detail) == (Verdict.FORWARDED, f"answered by {SERVER}, over it")
    assert b"POST /a HTTP/1.1\r\nHost: server.shop\r\nX-Team: web\r\nContent-Length: 0\r\n" in read.data


def test_an_answer_that_is_owed_waits_until_the_server_is_told(pair_lab: Lab) -> None:
    """It is told as it is asked, never before: a client that is told alone hears nothing."""
    flow = Flow(CLIENT, SERVER, 8080)
    with serve_all(pair_lab.pods, [8080]) as servers, held(flow, pair_lab, servers[SERVER].process) as connection:
        connection._server = None
        assert connection.ask().verdict is Verdict.DROPPED


def test_servers_without_ports_serve_nothing(pair_lab: Lab) -> None:
    """Cases may ask for echo replies alone."""
    with serve_all(pair_lab.pods, []) as servers:
        assert all(server.process.poll() is None for server in servers.values())
