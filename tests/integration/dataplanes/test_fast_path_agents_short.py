"""An agent that dies when the kernel knows of an answer's end, and the client does not have it."""

import sys
from contextlib import closing
from functools import partial
from http.client import IncompleteRead
from pathlib import Path

import pytest
from accepting import accepting, listening
from fast_clients import PORT, Connection, settled
from halting_backend import Halting
from http_ends import ask
from request_policies import http, ingress, rule

from harness.dataplanes import ebpf_l7
from harness.lab import netns
from harness.mesh.l7process import AgentProcess
from harness.model.topology import Topology

DYING = (sys.executable, "-P", str(Path(__file__).with_name("short_agent.py")))


@pytest.mark.parametrize("app", ["neighbour", "server"])
def test_the_client_is_told_that_the_answer_is_cut_short(pair: Topology, monkeypatch: pytest.MonkeyPatch, app: str) -> None:
    monkeypatch.setattr(ebpf_l7, "AgentProcess", partial(AgentProcess, program=DYING))
    with netns.up(pair) as lab, ebpf_l7.EbpfL7().attach(lab) as plane:
        assert isinstance(plane, ebpf_l7.EbpfL7Attachment)
        client, server = lab.pod("shop/client"), lab.pod(f"shop/{app}")
        plane.apply([ingress(app, rule("client", http("/public/.*"), port=PORT))])
        with accepting(Halting(listening(server, PORT))) as backend:
            backend.go.set()
            with closing(Connection(client, server)) as broken, closing(Connection(client, server)) as other:
                for each in (broken, other):
                    settled(plane, each)
                broken.request("GET", "/public/chunks")
                with pytest.raises((IncompleteRead, ConnectionResetError)):
                    broken.getresponse().read()
                assert ask(other, "/public/on").body == b"/public/on"
                settled(plane, other)
