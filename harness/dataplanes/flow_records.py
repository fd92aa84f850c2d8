"""What became of one request, as a line for programs: with the names that Hubble has for it, where it has any.

Source: https://github.com/cilium/cilium/blob/v1.18.0/api/v1/flow/flow.proto
"""

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from harness.envoy.flow_lines import ServedRequest
from harness.mesh.l7flowlayout import Way
from harness.mesh.l7flowlog import Lost, SeenRequest

Record = dict[str, Any]

UNFRAMED, UNACCEPTED = "slow_unframed", "slow_unaccepted"
FOR_LIFE = ("slow_strange", UNFRAMED)
"""Reasons after which the kernel sees no request of the connection any more."""

CONNECTIONS, REASONS = 1 << 14, 16
"""Of which reasons are kept that no line of the proxy's has been read for, and how many of each."""

_ANSWERS = {Way.LOST: "lost", Way.GONE: "client-gone", Way.RELAYED: "relayed", Way.ANSWERED: "socket"}
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Names:
    """Who had which address: pods as ``namespace/name``, with their node, and Services. Rules by Envoy's names for them."""

    node: str
    pods: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Told:
    """Why requests of a connection went to the proxy, in their order, and when (ns); of those the proxy has not told of yet."""

    reasons: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REASONS))
    unframed: bool = False

    def next(self, end: int | None) -> str | None:
        """Why the next request did that was over at ``end``. A later reason is another's: this one's event was lost."""
        if self.reasons and (end is None or self.reasons[0][0] <= end or self.reasons[0][1] == UNACCEPTED):
            _, why = self.reasons.popleft()
            self.unframed = why in FOR_LIFE
            return why
        return UNFRAMED if self.unframed else None


class Reasons:
    """Why requests went slow, by connection: the kernel knows that, and the proxy all the rest.

    Both see the requests of a connection in the same order.
    """

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[object, ...], _Told] = OrderedDict()

    def heard(self, seen: SeenRequest) -> None:
        """The kernel let a request go to the proxy."""
        pair = seen.pair
        told = self._told.setdefault((pair.client, seen.client_port, pair.backend, pair.port), _Told())
        told.reasons.append((seen.time, seen.slow or ""))
        if len(self._told) > CONNECTIONS:
            self._told.popitem(last=False)

    def of(self, served: ServedRequest) -> str | None:
        """Why a request went to the proxy; None where that is not known."""
        told = self._told.get((*served.client, *served.asked))
        if told is None:
            return None
        end = None if served.taken is None else served.time + served.taken
        return told.next(end)


def seen_record(seen: SeenRequest, names: Names) -> Record:
    """Of a request that the proxy did not see."""
    pair = seen.pair
    fast = Way.CLIENT | Way.ASKED in seen.ways
    own: Record = {"path": "fast" if fast else "past"}
    if not fast:
        own["why"] = "backend-socket" if Way.CLIENT in seen.ways else "client-socket"
    own["answer"] = next((name for way, name in _ANSWERS.items() if way in seen.ways), "tcp")
    answered = not seen.ways & (Way.LOST | Way.GONE)
    return _record(
        names,
        seen.time,
        "FORWARDED",
        (pair.client, seen.client_port),
        (pair.backend, pair.port),
        _http(seen.method, seen.path, "HTTP/1.1", seen.status),
        seen.latency if answered else None,
        own | _cut(len(seen.path) < seen.path_bytes),
    )


def served_record(served: ServedRequest, why: str | None, names: Names) -> Record:
    """Of a request that the proxy has served. One that it neither refused nor sent on is an error: it answered itself."""
    verdict = "DROPPED" if served.denied else "FORWARDED" if served.backend else "ERROR"
    own: Record = {"path": "slow", "why": why} | _cut(served.cut)
    if served.denied:
        own["rule"] = names.rules.get(served.policy)
    if verdict != "FORWARDED":
        own["detail"] = served.details
    destination = served.asked
    service = names.services.get(served.asked[0])
    if service is not None and served.backend:
        destination = served.backend
    record = _record(
        names,
        served.time,
        verdict,
        served.client,
        destination,
        _http(served.method, served.path, served.protocol, served.code),
        served.latency,
        own,
    )
    if served.denied:
        record["flow"]["drop_reason_desc"] = "POLICY_DENIED"
    if service is not None:
        record["flow"]["destination_service"] = dict(zip(("namespace", "name"), service.split("/"), strict=True))
    return record


def lost_record(lost: Lost, node: str) -> Record:
    """Of requests of which there is no record: how many."""
    source = "HUBBLE_RING_BUFFER" if lost.overwritten else "PERF_EVENT_RING_BUFFER"
    return {"lost_events": {"source": source, "num_events_lost": lost.count}, "node_name": node, "time": written(lost.time)}


def written(time: int) -> str:
    """A time in ns as RFC 3339 has it."""
    seconds, rest = divmod(time, _SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def _http(method: str, path: str, protocol: str, code: int) -> Record:
    return {"method": method, "url": path, "protocol": protocol} | ({"code": code} if code else {})


def _cut(cut: bool) -> Record:
    return {"url_cut": True} if cut else {}


def _record(
    names: Names, time: int, verdict: str, source: tuple[str, int], destination: tuple[str, int], http: Record,
    latency: int | None, own: Record,
) -> Record:  # fmt: skip
    _, node = names.pods.get(destination[0], ("", ""))
    flow: Record = {
        "time": written(time),
        "verdict": verdict,
        "IP": {"source": source[0], "destination": destination[0], "ipVersion": "IPv6" if ":" in source[0] else "IPv4"},
        "l4": {"TCP": {"source_port": source[1], "destination_port": destination[1]}},
        "source": _endpoint(names, source[0]),
        "destination": _endpoint(names, destination[0]),
        "Type": "L7",
        "node_name": names.node,
        "l7": {"type": "REQUEST", **({} if latency is None else {"latency_ns": latency}), "http": http},
        "traffic_direction": "INGRESS" if node == names.node else "EGRESS",
        "is_reply": False,
        "Summary": f"{http['protocol']} {http['method']} {http['url']}",
    }
    return {"flow": flow, "node_name": names.node, "time": flow["time"], "meshproof": own}


def _endpoint(names: Names, address: str) -> Record:
    pod, _ = names.pods.get(address, ("", ""))
    return dict(zip(("namespace", "pod_name"), pod.split("/"), strict=True)) if pod else {}
