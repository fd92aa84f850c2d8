"""Calls of flows: each made once, and what its client saw of it."""

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from harness.model.call import PERMISSION_DENIED, STATUSES, CallKind, GRPCCall
from harness.model.flow import Flow, Verdict
from harness.traffic.asker import ANSWER_SECONDS, Connections, kept_connections
from harness.traffic.calls.programs import CallPrograms
from harness.traffic.kept import told
from harness.traffic.port import LoadFailed
from harness.traffic.probe import Observation


def connections(programs: CallPrograms) -> AbstractContextManager[Connections]:
    """Connections that are kept while this is entered, and closed then."""
    return kept_connections(programs.clients)


def is_call(flow: Flow) -> bool:
    """Whether a flow is a call that programs of this package make."""
    return isinstance(flow.request, GRPCCall)


def ask(
    flows: Sequence[Flow], programs: CallPrograms, seconds: float, kept: Connections | None = None, *, all_kept: bool = False
) -> list[Observation]:
    """What became of the calls of ``flows``, each made once and all at the same time.

    Those that are ``shared``, or all with ``all_kept``, go over the connections ``kept``, the others over one each.
    Raises LoadFailed where one could not be made: that is no verdict.
    """
    things = []
    for flow in flows:
        call = _call(flow)
        over = kept.of(flow) if kept is not None and (all_kept or call.shared) else None
        things.append({**_thing(flow, programs, seconds), "do": "ask", "connection": over})
    return _done(flows, things, programs)


def begin(flows: Sequence[Flow], programs: CallPrograms, kept: Connections) -> list[int]:
    """Begin the bidirectional calls of ``flows`` over ``kept``; what each says of itself, by which ``go_on`` knows it.

    Raises LoadFailed where the server does not answer the first message of one.
    """
    things = [
        {**_thing(flow, programs, ANSWER_SECONDS), "do": "begin", "connection": kept.of(flow), "call": kept.of(flow) + str(at)}
        for at, flow in enumerate(flows)
    ]
    seen = told(flows, things, programs.clients)
    for flow, said in zip(flows, seen, strict=True):
        if said["code"] != 0 or not said["whole"]:
            raise LoadFailed(f"{flow} could not be begun: {_status(said)}")
    return [int(str(dict(each["metadata"])["probe"]), 16) for each in things]


def go_on(
    flows: Sequence[Flow], programs: CallPrograms, seconds: Sequence[float], kept: Connections, nonces: Sequence[int]
) -> list[Observation]:
    """What becomes of the rest of calls that were begun with the same ``flows`` in the same order."""
    things = [
        {"do": "go-on", "call": kept.of(flow) + str(at), "seconds": each, "metadata": [("probe", f"{nonce:016x}")]}
        for at, (flow, each, nonce) in enumerate(zip(flows, seconds, nonces, strict=True))
    ]
    return _done(flows, things, programs)


class CallWatch:
    """What reaches servers from when this is made."""

    def __init__(self, programs: CallPrograms) -> None:
        self._programs = programs
        self._since = {ref: server.count() for ref, server in programs.servers.items()}

    def reached(self, flow: Flow, nonce: int) -> str | None:
        """What of ``flow``, asked with ``nonce``, its server was called by until now, in words; None if by nothing."""
        server = self._programs.servers.get(flow.destination)
        said = [] if server is None else server.arrived(self._since[flow.destination])
        arrived = [each for each in said if each["probe"] == f"{nonce:016x}"]
        return f"its server was reached ({arrived[0]['what']})" if arrived else None


def _call(flow: Flow) -> GRPCCall:
    if not isinstance(flow.request, GRPCCall):
        raise LoadFailed(f"{flow} is no call")
    return flow.request


def _thing(flow: Flow, programs: CallPrograms, seconds: float) -> dict[str, Any]:
    try:
        address = programs.lab.pod(flow.destination).pod.ip(flow.family)
    except KeyError as error:
        raise LoadFailed(f"{flow} could not be asked: {error.args[0]}") from error
    namespace, _, name = flow.destination.partition("/")
    return thing(_call(flow), address, flow.port, f"{name}.{namespace}", seconds)


def thing(call: GRPCCall, address: str, port: int, authority: str, seconds: float) -> dict[str, Any]:
    """What a client is told of a call; ``authority`` is the host where the call names none."""
    return {
        "target": f"ipv6:[{address}]:{port}" if ":" in address else f"ipv4:{address}:{port}",
        "authority": call.host or authority,
        "method": call.method,
        "kind": str(call.kind),
        "metadata": [
            *((name.lower(), value) for name, value in call.headers),
            ("probe", f"{random.getrandbits(64) or 1:016x}"),
            ("probe-kind", str(call.kind)),
            ("probe-answer", call.answer),
        ],
        "size": call.size,
        "seconds": seconds,
    }


def _done(flows: Sequence[Flow], things: Sequence[Mapping[str, Any]], programs: CallPrograms) -> list[Observation]:
    begun = time.monotonic()
    seen = told(flows, things, programs.clients)
    took = time.monotonic() - begun
    return [
        replace(judge(said, flow, took), nonce=int(str(dict(thing["metadata"])["probe"]), 16))
        for flow, thing, said in zip(flows, things, seen, strict=True)
    ]


def judge(said: Mapping[str, Any], flow: Flow, took: float) -> Observation:
    """The verdict on what a client said came of a call; ``took`` in seconds, of all that were made with it."""
    call, status, by = _call(flow), int(said["code"]), said["by"]
    if by is None:
        silent = STATUSES[status] == "DEADLINE_EXCEEDED"
        verdict = Verdict.DROPPED if silent else Verdict.REJECTED
        return Observation(verdict, took, "silence" if silent else _status(said), status=status)
    if by != flow.destination:
        return Observation(Verdict.REDIRECTED, took, f"answered by {by}, not by {flow.destination}", status=status)
    if STATUSES[status] != call.answer:
        return Observation(Verdict.REJECTED, took, f"{_status(said)} from {by}, which said {call.answer}", status=status)
    if not said["whole"] and (call.answer == "OK" or call.kind in (CallKind.SERVER_STREAM, CallKind.BIDI)):
        return Observation(
            Verdict.REJECTED, took, f"{_status(said)} from {by}, but not every message was answered", status=status
        )
    return Observation(Verdict.FORWARDED, took, f"{_status(said)} from {by}", status=status)


def refused(seen: Observation) -> bool:
    """Whether a call was refused as gRPC has it."""
    return seen.verdict is Verdict.REJECTED and seen.status == PERMISSION_DENIED


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls as conformance has them made (asker.py)."""

    programs: CallPrograms

    def asks(self, flow: Flow) -> bool:
        return is_call(flow)

    def connections(self) -> AbstractContextManager[Connections]:
        return connections(self.programs)

    def ask(
        self, flows: Sequence[Flow], seconds: float, kept: Connections | None = None, *, all_kept: bool = False
    ) -> list[Observation]:
        return ask(flows, self.programs, seconds, kept, all_kept=all_kept)

    def begin(self, flows: Sequence[Flow], kept: Connections) -> list[int]:
        return begin(flows, self.programs, kept)

    def go_on(
        self, flows: Sequence[Flow], seconds: Sequence[float], kept: Connections, nonces: Sequence[int]
    ) -> list[Observation]:
        return go_on(flows, self.programs, seconds, kept, nonces)

    def watch(self) -> CallWatch:
        return CallWatch(self.programs)

    def refused(self, seen: Observation) -> bool:
        return refused(seen)


def _status(said: Mapping[str, Any]) -> str:
    details = str(said["details"]).strip()
    return STATUSES[int(said["code"])] + (f": {details}" if details else "")
