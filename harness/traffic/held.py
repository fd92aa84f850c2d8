"""Connections that are opened at one time and asked over at another."""

import json
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.lab.port import Lab, Process
from harness.model.flow import Flow, Verdict
from harness.model.request import HTTPRequest
from harness.traffic.port import LoadFailed
from harness.traffic.probe import Observation, headers_of

PROGRAM = Path(__file__).with_name("held_client.py")
SILENCE = 2.0  # seconds without an answer; TCP sends again after 0.2 s and 0.6 s
READY = 10.0


class HeldConnection:
    """A TCP connection from a pod to another that is open and was used once. It can be asked over once.

    With ``server``, the responder there owes the answer to a request since: then that speaks first, not the client.
    """

    def __init__(self, flow: Flow, process: Process, nonce: int, server: Process | None = None) -> None:
        self._flow = flow
        self._nonce = nonce
        self._process = process
        self._server = server

    def ask(self) -> Observation:
        """The flow's request or a GET of the server's name, or the answer to the one before.

        Raises LoadFailed where the client says nothing.
        """
        begun = time.monotonic()
        self._process.signal(signal.SIGUSR1)
        if self._server is not None:
            self._server.signal(signal.SIGUSR1)
        try:
            self._process.wait(SILENCE + READY)
        except TimeoutError as error:
            raise LoadFailed(str(error)) from None
        said = self._process.log.read_text().splitlines()[-1]
        took = time.monotonic() - begun
        what, _, body = said.partition(" ")
        if what == "answered":
            meant = body.strip() == self._flow.destination
            return Observation(
                Verdict.FORWARDED if meant else Verdict.REDIRECTED, took, f"answered by {body}, over it", self._nonce
            )
        if what == "refused":
            return Observation(Verdict.REJECTED, took, f"status {body}, over it", self._nonce, int(body))
        verdict = {"silent": Verdict.DROPPED, "closed": Verdict.REJECTED}.get(what)
        if verdict is None:
            raise LoadFailed(f"{self._flow}: the held connection's client said {said!r}; see {self._process.log}")
        return Observation(verdict, took, f"{what}, over an older connection", self._nonce)


def _request(flow: Flow) -> str:
    asked = flow.request
    if not isinstance(asked, HTTPRequest):
        raise LoadFailed(f"{flow} cannot be asked over a held connection: of requests only those of HTTP can")
    return json.dumps([asked.method, asked.path, headers_of(flow, asked)])


@contextmanager
def held(flow: Flow, lab: Lab, server: Process | None = None) -> Iterator[HeldConnection]:
    """Open a connection for ``flow``; entered when it has been used, and ``server``, if given, owes an answer over it.

    Raises LoadFailed where it cannot be opened.
    """
    address = lab.pod(flow.destination).pod.ip(flow.family)
    nonce = random.getrandbits(64) or 1
    argv = [sys.executable, str(PROGRAM), address, str(flow.port), repr(SILENCE), f"{nonce:016x}"]
    argv += ["later"] if server else [] if flow.request is None else [_request(flow)]
    process = lab.pod(flow.source).start(argv, component="probe")
    try:
        deadline = time.monotonic() + READY
        while "open" not in process.log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise LoadFailed(f"{flow}: no connection could be opened: {process.log.read_text().strip()[-200:]}")
            time.sleep(0.01)
        yield HeldConnection(flow, process, nonce, server)
    finally:
        process.stop()
