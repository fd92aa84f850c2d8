"""The shape of a line of ``meshproof flows --json``, of which docs/schemas/flow-events.schema.json is made.

Names and meanings are those of Hubble's ``flow.proto`` and of a line of ``hubble observe -o json``, but for ``meshproof``,
which has what Hubble has no name for.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A pod; nothing where the address was none's."""

    namespace: str = ""
    pod_name: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """The Service that the client asked."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Addresses:
    """Of both ends."""

    source: str
    destination: str
    ipVersion: Literal["IPv4", "IPv6"]  # noqa: N815 -- Hubble's name


@dataclass(frozen=True, slots=True)
class Ports:
    """Of TCP."""

    source_port: int
    destination_port: int


@dataclass(frozen=True, slots=True)
class Layer4:
    """The connection."""

    TCP: Ports


@dataclass(frozen=True, slots=True)
class HTTP:
    """The request. ``url`` is its path and query; ``code`` is missing where no answer came, or none was understood."""

    method: str
    url: str
    protocol: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Layer7:
    """The request, and ns until its answer began, where one did."""

    type: Literal["REQUEST"]
    http: HTTP
    latency_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """A request at one node. DROPPED: a policy refused it. ERROR: the proxy answered by itself, since it had to."""

    time: str
    verdict: Literal["FORWARDED", "DROPPED", "ERROR"]
    IP: Addresses
    l4: Layer4
    source: Endpoint
    destination: Endpoint
    Type: Literal["L7"]
    node_name: str
    l7: Layer7
    traffic_direction: Literal["INGRESS", "EGRESS"]
    is_reply: bool
    Summary: str
    drop_reason_desc: Literal["POLICY_DENIED"] | None = None
    destination_service: Service | None = None


@dataclass(frozen=True, slots=True)
class Own:
    """What Hubble has no name for.

    ``path``: from socket to socket, past the proxy, or through it; ``why`` not a faster one: of ``slow`` a name of bpf/l7.h,
    null where it is not known. ``answer``: how it came. ``rule``: file:line of the policy that refused it, null where that is
    not known. ``detail``: the proxy's own word for what it did. ``url_cut``: the url is only the beginning.
    """

    path: Literal["fast", "past", "slow"]
    why: str | None = None
    answer: Literal["socket", "tcp", "relayed", "lost", "client-gone"] | None = None
    rule: str | None = None
    detail: str | None = None
    url_cut: bool = False


@dataclass(frozen=True, slots=True)
class FlowLine:
    """A request. What is not known is left out."""

    flow: Flow
    node_name: str
    time: str
    meshproof: Own


@dataclass(frozen=True, slots=True)
class LostEvents:
    """How many. The kernel's ring was full, or the agent's files were (HUBBLE_RING_BUFFER)."""

    source: Literal["PERF_EVENT_RING_BUFFER", "HUBBLE_RING_BUFFER"]
    num_events_lost: int


@dataclass(frozen=True, slots=True)
class LostLine:
    """Requests of which there are no lines, or, where the kernel lost them, no reasons why they were slow."""

    lost_events: LostEvents
    node_name: str
    time: str


Line = FlowLine | LostLine


def schema_text() -> str:
    """The JSON Schema of a line, as committed."""
    from pydantic import TypeAdapter  # noqa: PLC0415 -- for the schema alone

    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": f"format {FORMAT}"}
    line: TypeAdapter[Any] = TypeAdapter(Line)
    body = head | line.json_schema() | {"title": "A line of meshproof flows --json"}
    return json.dumps(body, indent=2) + "\n"
