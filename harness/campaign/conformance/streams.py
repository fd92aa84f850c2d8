"""The streams of a case in a lab: opened between pods, and looked at when a step has been asked."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

from harness.judge.streams import observed
from harness.lab.port import Lab, LabPod
from harness.model.bench import Expectation
from harness.model.case import Step
from harness.model.churn import StreamExpectation, StreamSeen
from harness.model.flow import Flow, Verdict
from harness.traffic.port import LoadFailed
from harness.traffic.stream import Kind, StreamEnd, seen, stream_client, stream_server

DATAGRAMS = 50  # that a client must have sent, or the silence of a server says nothing
CONNECTIONS = 2  # the same of connections that were tried, or of messages over one that is open
ANSWER_SECONDS = 10.0
"""For an answer to a message that was sent after a step was asked. TCP that was denied before sends again only every few
seconds."""

RECORD_SECONDS = 5.0
"""For a record of a denial: a proxy's connection to an address that was nobody's for a while is tried again after seconds."""

_BETWEEN = 0.1


def expected_of_streams(step: Step) -> list[Expectation]:
    """What ``step`` expects of open streams, as the flows that they are by now."""
    return [Expectation(each.origin, each.asked, each.verdict) for each in step.stream_expectations]


class OpenStreams:
    """Servers in all pods, on all ports of streams, and the streams that were opened; ``stack`` stops them."""

    def __init__(self, lab: Lab, ports: Sequence[int], stack: ExitStack) -> None:
        self._lab = lab
        self._ports = ports
        self._stack = stack
        self._folder = lab.folder / "streams"
        self._folder.mkdir()
        self._names = count(1)
        self._servers: dict[LabPod, StreamEnd] = {}
        self._clients: dict[Flow, tuple[int, StreamEnd]] = {}
        self._good: dict[Flow, int] = {}  # up to when a stream was seen to be as allowed ones are
        for pod in lab.pods:
            self.serve(pod)

    def serve(self, pod: LabPod) -> None:
        """Have a server in ``pod``. Raises LoadFailed."""
        if self._ports:
            server = stream_server(pod, self._ports, self._file())
            self._stack.callback(server.process.stop)
            self._servers[pod] = server

    def end(self) -> None:
        """End all streams, and forget what was seen of them."""
        for _, client in self._clients.values():
            client.process.stop()
        self._clients.clear()
        self._good.clear()
        self._servers = {pod: server for pod, server in self._servers.items() if pod in self._lab.pods}
        for server in self._servers.values():
            server.forget()

    def settle(self) -> None:
        """Return when the servers have read and answered all that had come for them. Raises LoadFailed."""
        for pod in self._lab.pods:
            if pod in self._servers:
                self._servers[pod].settle()

    def open(self, streams: Sequence[Flow]) -> None:
        """Open ``streams``; each goes to the address that its destination has now, and stays with that. Raises LoadFailed."""
        for stream in streams:
            number = next(self._names)
            address = self._lab.pod(stream.destination).pod.ip(stream.family)
            begun = time.monotonic_ns()
            client = stream_client(number, stream.protocol, address, stream.port, self._lab.pod(stream.source), self._file())
            self._stack.callback(client.process.stop)
            self._clients[stream] = (number, client)
            self._good[stream] = begun

    def look(
        self, expectations: Sequence[StreamExpectation], called: int, enforced: int, recorded: Callable[[Flow], bool]
    ) -> tuple[Mapping[StreamExpectation, tuple[Verdict, str]], int]:
        """What became of streams in a step that was called for and in force at these times (ns of CLOCK_MONOTONIC).

        Also how many messages of streams that the step denies got through while it was on its way into force. ``recorded``
        says whether the data plane has a record of denying a flow yet; that is waited for, since a proxy may accept at once
        and try on.
        Raises LoadFailed where a stream was not tried: that is no verdict.
        """
        asked = time.monotonic_ns()
        stuck = {each for each in expectations if not self._awaited(each, enforced, asked, recorded)}
        tried = time.monotonic_ns()
        self.settle()
        found: dict[StreamExpectation, tuple[Verdict, str]] = {}
        admitted = 0
        for each in expectations:
            allowed = each.verdict is Verdict.FORWARDED
            good = self._good.get(each.stream)
            continued = allowed and good is not None and not each.moved
            since = good if continued and good is not None else max(enforced, good or 0)
            sight = self._seen(each, since, asked if allowed else tried)
            found[each] = observed(each, replace(sight, stuck=each in stuck), continued=continued)
            if allowed:
                self._good[each.stream] = asked
            else:
                self._good.pop(each.stream, None)
                admitted += self._seen(each, called, enforced).arrived
        return found, admitted

    def _awaited(self, each: StreamExpectation, enforced: int, asked: int, recorded: Callable[[Flow], bool]) -> bool:
        """Wait until a stream has shown what it has to show. False where what is allowed is not answered."""
        _, client = self._clients[each.stream]
        if each.verdict is Verdict.FORWARDED:
            known = client.count()
            return client.await_that(
                lambda: bool((client.of(Kind.ANSWERED, known)["sent"] >= asked).any()), "was answered", ANSWER_SECONDS
            )
        wanted = DATAGRAMS if each.stream.protocol == "UDP" else CONNECTIONS

        def tried() -> bool:
            records = client.records()
            tries = (records["kind"] == Kind.SENT) | (records["kind"] == Kind.ATTEMPTED)
            return int((tries & (records["sent"] >= enforced)).sum()) >= wanted

        if not client.await_that(tried, "tried"):
            raise LoadFailed(f"{client.what} was hardly tried while it was denied: that it was silent says nothing")
        deadline = time.monotonic() + RECORD_SECONDS
        while not recorded(each.asked) and time.monotonic() < deadline:
            time.sleep(_BETWEEN)
        return True

    def _seen(self, each: StreamExpectation, since: int, until: int) -> StreamSeen:
        number, client = self._clients[each.stream]
        return seen(number, client, self._servers.values(), since, until)

    def _file(self) -> Path:
        return self._folder / str(next(self._names))
