"""Calls of flows: each made once, and what its client saw of it."""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from harness.model.call import PERMISSION_DENIED, STATUSES, CallKind, GRPCCall
from harness.model.flow import Flow, Verdict
from harness.traffic.calls.programs import CallPrograms
from harness.traffic.port import LoadFailed
from harness.traffic.probe import Observation

ANSWER_SECONDS = 10.0
"""For a call that should end, if only with a refusal: it ends when it does, so that patience costs nothing."""

SILENCE_SECONDS = 0.9
"""For a call of which nothing should be heard; below the kernel's first retransmission time-out one SYN is sent."""

_names = count(1)


@dataclass(slots=True)
class Connections:
    """Names for connections that calls share: those between the same ends have the same one."""

    names: dict[tuple[object, ...], str]

    def of(self, flow: Flow) -> str:
        """The name of the connection for a flow's call."""
        host = flow.request.host if isinstance(flow.request, GRPCCall) else None
        ends = (flow.source, flow.destination, flow.port, flow.family, host)
        return self.names.setdefault(ends, f"connection-{next(_names)}")


@contextmanager
def connections(programs: CallPrograms) -> Iterator[Connections]:
    """Connections that are kept while this is entered, and closed then."""
    named = Connections({})
    try:
        yield named
    finally:
        closing: dict[str, list[dict[str, Any]]] = {}
        for ends, name in named.names.items():
            closing.setdefault(str(ends[0]), []).append({"do": "close", "connection": name})
        for ref, things in closing.items():
            programs.clients[ref].do(things)


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
    seen = _told(flows, things, programs)
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


def _told(flows: Sequence[Flow], things: Sequence[Mapping[str, Any]], programs: CallPrograms) -> list[dict[str, Any]]:
    by_client: dict[str, list[int]] = {}
    for index, flow in enumerate(flows):
        by_client.setdefault(flow.source, []).append(index)

    def tell(ref: str) -> list[dict[str, Any]]:
        return programs.clients[ref].do([things[index] for index in by_client[ref]])

    seen: dict[int, dict[str, Any]] = {}
    with ThreadPoolExecutor(max(1, len(by_client))) as pool:
        for ref, said in zip(by_client, pool.map(tell, by_client), strict=True):
            seen.update(zip(by_client[ref], said, strict=True))
    return [seen[index] for index in range(len(flows))]


def _done(flows: Sequence[Flow], things: Sequence[Mapping[str, Any]], programs: CallPrograms) -> list[Observation]:
    begun = time.monotonic()
    seen = _told(flows, things, programs)
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


def ends(flows: Iterable[Flow]) -> tuple[list[str], list[str], list[int]]:
    """The clients and the ports of the calls among ``flows``, and the servers: who is asked anything at those ports."""
    flows = list(flows)
    calls = [flow for flow in flows if is_call(flow)]
    ports = {flow.port for flow in calls}
    servers = [flow.destination for flow in flows if flow.port in ports]
    return list(dict.fromkeys(flow.source for flow in calls)), list(dict.fromkeys(servers)), sorted(ports)


def _status(said: Mapping[str, Any]) -> str:
    details = str(said["details"]).strip()
    return STATUSES[int(said["code"])] + (f": {details}" if details else "")
