"""Flows as users write them: in the matrix of a scenario, and in a list of flows to be explained."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from harness.manifests.addresses import address
from harness.manifests.asked import RequestFields
from harness.manifests.document import Document, Step, read_document
from harness.manifests.errors import Fault, ManifestError, found, quoted, refuse, suggestion
from harness.manifests.kubernetes import Port, transport
from harness.manifests.shape import Shape, checked, wrong
from harness.model.flow import ICMP, Flow, is_pod
from harness.model.topology import Topology

_ECHO_REQUEST = {4: 8, 6: 128}
_HINTS = 100  # unknown pods for which a near name is looked for, which takes milliseconds each; nobody reads more


def _end(value: object) -> str:
    match value:
        case str() if is_pod(value):
            return value
        case {"ip": str(text), **rest} if not rest:
            return address(text)
        case _:
            raise wrong(f"want namespace/pod or {{ip: ADDRESS}}, found {found(value)}")


def _protocol(text: str) -> str:
    if text not in ("TCP", "UDP", "ICMP", "SCTP"):
        raise wrong(f"want TCP, UDP or ICMP, found {quoted(text)}")
    return text if text == "ICMP" else transport(text)


PodRef = Annotated[str, Field(description="A pod, as namespace/name.", examples=["shop/client"])]
End = Annotated[
    str,
    BeforeValidator(_end),
    WithJsonSchema(
        {
            "description": "A pod, as namespace/name, or an address.",
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"ip": {"type": "string"}},
                    "required": ["ip"],
                    "additionalProperties": False,
                },
            ],
        }
    ),
]
_Byte = Annotated[int, Field(ge=0, le=255)]


class ICMPShape(Shape):
    """A message of ICMP, or of ICMPv6 where the flow's family is 6."""

    type: _Byte
    code: _Byte = 0


class FlowShape(Shape):
    """A flow."""

    from_: End = Field(alias="from")
    to: End
    port: Port | None = Field(default=None, description="The port at its destination; required except for ICMP.")
    protocol: Annotated[str, AfterValidator(_protocol), Field(json_schema_extra={"enum": ["TCP", "UDP", "ICMP"]})] = "TCP"
    family: Literal[4, 6] | None = Field(default=None, description="IP version.")
    icmp: ICMPShape | None = Field(
        default=None, description="The message of ICMP; an echo request if left out. With it, protocol may be left out."
    )

    @model_validator(mode="before")
    @classmethod
    def _a_message_says_its_protocol(cls, written: object) -> object:
        if isinstance(written, dict) and written.get("icmp") is not None and not written.keys() & {"protocol", "port"}:
            return {**written, "protocol": "ICMP"}
        return written

    @model_validator(mode="after")
    def _port_or_message(self) -> "FlowShape":
        if self.protocol == "ICMP":
            if self.port is not None:
                raise wrong("ICMP has no ports; remove it", "port")
        elif self.port is None:
            raise wrong("missing; write it", "port")
        elif self.icmp is not None:
            raise wrong(f"a message of ICMP beside protocol {self.protocol}; write protocol: ICMP", "icmp")
        for name, end in (("from", self.from_), ("to", self.to)):
            if not is_pod(end) and ip_address(end).version != (self.known_family or 0):
                raise wrong(f"{end} is not of IPv{self.known_family}, as the flow is", name)
        return self

    @property
    def known_family(self) -> int | None:
        """The family that is written, or that an address implies; None where any will do."""
        implied = (ip_address(end).version for end in (self.from_, self.to) if not is_pod(end))
        return self.family or next(implied, None)


class AskedFlow(RequestFields, FlowShape):
    """A flow that may carry a request."""

    @model_validator(mode="after")
    def _one_request_over_tcp(self) -> "AskedFlow":
        names = [name for name in ("http", "grpc", "kafka") if getattr(self, name) is not None]
        if len(names) > 1:
            raise wrong(f"beside {names[0]}; write a flow for each", names[1])
        if names and self.protocol != "TCP":
            raise wrong(f"is asked over TCP, not {self.protocol}; remove it, or the protocol", names[0])
        return self


def flow(
    document: Document, at: tuple[Step, ...], shape: FlowShape, family: int, topology: Topology, faults: list[Fault]
) -> Flow:
    """The flow at ``at`` over ``family``. An address of a pod's stands for the pod. Adds faults for pods that are not there."""
    message = None
    if shape.protocol == "ICMP":
        message = ICMP(_ECHO_REQUEST[family]) if shape.icmp is None else ICMP(shape.icmp.type, shape.icmp.code)
    return Flow(
        source=resolved(document, (*at, "from"), shape.from_, family, topology, faults),
        destination=resolved(document, (*at, "to"), shape.to, family, topology, faults),
        port=shape.port or 0,
        protocol=shape.protocol,
        family=family,
        icmp=message,
        request=shape.request if isinstance(shape, AskedFlow) else None,
    )


def resolved(document: Document, at: tuple[Step, ...], end: str, family: int, topology: Topology, faults: list[Fault]) -> str:
    """The end at ``at``: a pod's address stands for the pod. Adds a fault for a pod that is not there or lacks the family."""
    if not is_pod(end):
        owner = topology.owner(end)
        return end if owner is None else owner.ref
    if not topology.has_pod(end):
        hint = suggestion(end, [pod.ref for pod in topology.pods]) if len(faults) < _HINTS else ""
        faults.append(document.fault(at, f"no pod {quoted(end)}{hint}"))
        return end
    pod = topology.pod(end)
    if pod.ips and not any((":" in each) == (family == 6) for each in pod.ips):
        faults.append(document.fault(at, f"pod {quoted(end)} has no IPv{family} address; write another family"))
    return end


def load_flows(path: Path, topology: Topology) -> list[Flow]:
    """The flows of a YAML or JSON list, in its order; IPv4 where no family is written. Raises ManifestError."""
    document = read_document(path, "a list of flows")
    if not isinstance(document.data, list):
        raise ManifestError([document.fault((), f"want a list of flows, found {found(document.data)}")])
    faults: list[Fault] = []
    flows: list[Flow] = []
    for position in range(len(document.data)):
        shape = checked(document, AskedFlow, faults, (position,))
        if shape is not None:
            flows.append(flow(document, (position,), shape, shape.known_family or 4, topology, faults))
    refuse(faults)
    return flows
