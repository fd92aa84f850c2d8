"""NetworkPolicy of networking.k8s.io/v1, all of it, checked as an API server checks it.

Source of the rules: ``pkg/apis/networking/validation/validation.go`` of Kubernetes.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from harness.manifests.addresses import Cidr, excepts_inside
from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, found
from harness.manifests.kubernetes import Metadata, Port, Protocol, Selector, port_name
from harness.manifests.shape import Shape, checked, wrong
from harness.model.policy import IPBlock, NetworkPolicy, Peer, PolicyPort, Rule

API_VERSION = "networking.k8s.io/v1"
KIND = "NetworkPolicy"

_Path = tuple[Step, ...]


def _number_or_name(value: object) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise wrong(f"want a port number or a container port's name, found {found(value)}")
    if isinstance(value, str):
        return port_name(value)
    if not 1 <= value <= 65535:
        raise wrong(f"want a port from 1 to 65535, found {found(value)}")
    return value


NumberOrName = Annotated[int | str, BeforeValidator(_number_or_name)]


class _IPBlock(Shape):
    cidr: Cidr
    except_: list[Cidr] | None = Field(default=None, alias="except")

    @model_validator(mode="after")
    def _excepts_inside(self) -> "_IPBlock":
        excepts_inside(self.cidr, self.except_ or ())
        return self


class _Peer(Shape):
    pod_selector: Selector | None = None
    namespace_selector: Selector | None = None
    ip_block: _IPBlock | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "_Peer":
        selects = self.pod_selector is not None or self.namespace_selector is not None
        if self.ip_block is not None and selects:
            raise wrong("ipBlock beside a selector; write them as two entries")
        if self.ip_block is None and not selects:
            raise wrong("an empty peer; write podSelector, namespaceSelector or ipBlock")
        return self


class _Port(Shape):
    protocol: Protocol | None = None
    port: NumberOrName | None = None
    end_port: Port | None = None

    @model_validator(mode="after")
    def _range(self) -> "_Port":
        if self.end_port is None:
            return self
        if not isinstance(self.port, int):
            raise wrong("needs a numeric port beside it; write the first port of the range as port", "endPort")
        if self.end_port < self.port:
            raise wrong(f"{self.end_port} is below port {self.port}; write the last port of the range", "endPort")
        return self


class _Ingress(Shape):
    from_: list[_Peer] | None = Field(default=None, alias="from")
    ports: list[_Port] | None = None


class _Egress(Shape):
    to: list[_Peer] | None = None
    ports: list[_Port] | None = None


class _Spec(Shape):
    pod_selector: Selector | None = None  # a server reads its absence as {}
    policy_types: Annotated[list[Literal["Ingress", "Egress"]], Field(max_length=2)] | None = None
    ingress: list[_Ingress] | None = None
    egress: list[_Egress] | None = None


class _NetworkPolicy(Shape):
    api_version: Any = None
    kind: Any = None
    metadata: Metadata
    spec: _Spec
    status: Any = None


def network_policy(document: Document, path: _Path, faults: list[Fault]) -> NetworkPolicy | None:
    """The NetworkPolicy at ``path`` of a document; None, and faults added, where it is not a valid one."""
    shape = checked(document, _NetworkPolicy, faults, path)
    if shape is None:
        return None
    spec = shape.spec
    return NetworkPolicy(
        origin=document.origin((*path, "kind")),
        name=shape.metadata.name,
        namespace=shape.metadata.namespace or "default",  # as kubectl does without -n
        pod_selector=(spec.pod_selector or Selector()).value(),
        policy_types=None if spec.policy_types is None else tuple(spec.policy_types),
        ingress=_rules(document, (*path, "spec", "ingress"), "from", spec.ingress),
        egress=_rules(document, (*path, "spec", "egress"), "to", spec.egress),
    )


def _rules(document: Document, path: _Path, side: str, rules: Sequence[_Ingress | _Egress] | None) -> tuple[Rule, ...] | None:
    if rules is None:
        return None
    made = []
    for position, rule in enumerate(rules):
        at = (*path, position)
        peers, ports = (rule.from_ if isinstance(rule, _Ingress) else rule.to), rule.ports
        made.append(
            Rule(
                document.origin(at),
                None if peers is None else tuple(_peer(document, (*at, side, i), peer) for i, peer in enumerate(peers)),
                None if ports is None else tuple(_port(document, (*at, "ports", i), port) for i, port in enumerate(ports)),
            )
        )
    return tuple(made)


def _peer(document: Document, path: _Path, peer: _Peer) -> Peer:
    block = peer.ip_block
    return Peer(
        document.origin(path),
        pod_selector=peer.pod_selector.value() if peer.pod_selector is not None else None,
        namespace_selector=peer.namespace_selector.value() if peer.namespace_selector is not None else None,
        ip_block=IPBlock(block.cidr, tuple(block.except_ or ())) if block is not None else None,
    )


def _port(document: Document, path: _Path, port: _Port) -> PolicyPort:
    return PolicyPort(document.origin(path), port.protocol, port.port, port.end_port)
