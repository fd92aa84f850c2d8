"""Lists of requests to Services and Gateways, whose routing is asked."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from harness.manifests.asked import GRPCShape, HTTPShape
from harness.manifests.document import Document, Step, read_document
from harness.manifests.errors import Fault, ManifestError, found, quoted, refuse, suggestion
from harness.manifests.flows import End
from harness.manifests.kubernetes import Port
from harness.manifests.shape import Shape, checked, unsupported, wrong
from harness.model.flow import is_pod
from harness.model.routing import Call, Routing
from harness.model.topology import Topology

_HINTS = 100  # unknown names for which a near one is looked for, which takes milliseconds each; nobody reads more


def _end(value: object) -> str:
    """A Service as ``namespace/name``, a Gateway as ``gateway namespace/name``."""
    match value:
        case str() if re.fullmatch(r"[^/ ]+/[^/ ]+", value):
            return value
        case {"gateway": str(name), **rest} if not rest and re.fullmatch(r"[^/ ]+/[^/ ]+", name):
            return f"{GATEWAY}{name}"
        case _:
            raise wrong(f"want namespace/service or {{gateway: NAMESPACE/NAME}}, found {found(value)}")


GATEWAY = "gateway "
"""What ``to`` begins with of a Gateway."""
_To = Annotated[
    str,
    BeforeValidator(_end),
    WithJsonSchema(
        {
            "description": "A Service, as namespace/name, or a Gateway.",
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"gateway": {"type": "string", "description": "A Gateway, as namespace/name."}},
                    "required": ["gateway"],
                    "additionalProperties": False,
                },
            ],
        }
    ),
]


class CallShape(Shape):
    """A request whose routing is asked."""

    from_: End = Field(alias="from")
    to: _To
    port: Port = Field(description="The Service's port, or the listener's.")
    http: HTTPShape | None = None
    grpc: GRPCShape | None = None
    kafka: Annotated[Any, unsupported("routes are of HTTP and gRPC; remove it")] = None

    @model_validator(mode="after")
    def _one_request(self) -> "CallShape":
        if self.http is None and self.grpc is None:
            raise wrong("missing; write what is asked, {} for GET /", "http")
        if self.http is not None and self.grpc is not None:
            raise wrong("http beside it; write one of them", "grpc")
        asked, field = (self.http, "http") if self.http is not None else (self.grpc, "grpc")
        if self.to.startswith(GATEWAY) and asked is not None and asked.host is None:
            raise wrong("missing; a Gateway has no name that clients use: write the host that is asked for", field, "host")
        return self


def load_calls(path: Path, topology: Topology, routing: Routing) -> list[Call]:
    """The requests of a YAML or JSON list, in its order. Raises ManifestError."""
    document = read_document(path, "a list of requests")
    if not isinstance(document.data, list):
        raise ManifestError([document.fault((), f"want a list of requests, found {found(document.data)}")])
    faults: list[Fault] = []
    calls: list[Call] = []
    places = places_of(routing)
    for position in range(len(document.data)):
        shape = checked(document, CallShape, faults, (position,))
        if shape is not None:
            calls.append(call_of(document, (position,), shape, topology, places, faults))
    refuse(faults)
    return calls


def places_of(routing: Routing) -> Mapping[str, frozenset[int]]:
    """The ports of all that can be asked, by what ``to`` calls it."""
    services = {
        each.ref: frozenset(port.port for port in each.ports or () if (port.protocol or "TCP") == "TCP")
        for each in routing.services
        if each.type != "ExternalName"  # another name for something, which takes no requests of its own
    }
    return services | {f"{GATEWAY}{each.ref}": frozenset(on.port for on in each.listeners) for each in routing.gateways}


def call_of(
    document: Document,
    at: tuple[Step, ...],
    shape: CallShape,
    topology: Topology,
    places: Mapping[str, frozenset[int]],
    faults: list[Fault],
) -> Call:
    """The call at ``at``; ``places`` is all that can be asked. Adds faults for what is not there."""
    source = shape.from_
    if not is_pod(source):
        owner = topology.owner(source)
        source = source if owner is None else owner.ref
    elif not topology.has_pod(source):
        hint = suggestion(source, [pod.ref for pod in topology.pods]) if len(faults) < _HINTS else ""
        faults.append(document.fault((*at, "from"), f"no pod {quoted(source)}{hint}"))
    gateway, name = shape.to.startswith(GATEWAY), shape.to.removeprefix(GATEWAY)
    kind = "Gateway" if gateway else "Service"
    if shape.to not in places:
        known = [each.removeprefix(GATEWAY) for each in places if each.startswith(GATEWAY) == gateway]
        hint = suggestion(name, known) if len(faults) < _HINTS else ""
        faults.append(document.fault((*at, "to"), f"no {kind} {quoted(name)} in the manifests{hint}"))
    elif shape.port not in places[shape.to]:
        ports = ", ".join(map(str, sorted(places[shape.to]))) or "none"
        what = f"{kind} {quoted(name)} has no {'listener at' if gateway else 'TCP'} port {shape.port}; its ports are {ports}"
        faults.append(document.fault((*at, "port"), what))
    asked = shape.http or shape.grpc
    assert asked is not None  # noqa: S101 -- the validator saw one of them
    return Call(source, name, shape.port, asked.value(), gateway)
