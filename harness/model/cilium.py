"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of cilium.io/v2, as written.

``None`` always means "the user did not write this field", which differs from an empty tuple.
What an absent or empty field means, and what a selector's keys stand for, is decided by each reader of these values, not here.
Source: https://docs.cilium.io/en/stable/security/policy/language/
"""

from dataclasses import dataclass

from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy


@dataclass(frozen=True, slots=True)
class CIDRSet:
    """One entry of ``fromCIDRSet`` or ``toCIDRSet``."""

    origin: Origin
    cidr: str
    except_: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CiliumPort:
    """One entry of ``toPorts[].ports``. ``port`` is a number or a container port's name, as text; "0" stands for any port."""

    origin: Origin
    port: str
    end_port: int | None = None
    protocol: str | None = None


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """One entry of ``headerMatches``."""

    name: str
    value: str | None = None
    mismatch: str | None = None


@dataclass(frozen=True, slots=True)
class HTTPRule:
    """One entry of ``rules.http``."""

    origin: Origin
    method: str | None = None
    path: str | None = None
    host: str | None = None
    headers: tuple[str, ...] | None = None
    header_matches: tuple[HeaderMatch, ...] | None = None


@dataclass(frozen=True, slots=True)
class KafkaRule:
    """One entry of ``rules.kafka``."""

    origin: Origin
    role: str | None = None
    api_key: str | None = None
    api_version: str | None = None
    client_id: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class L7Rules:
    """``toPorts[].rules``: of one kind."""

    origin: Origin
    http: tuple[HTTPRule, ...] | None = None
    kafka: tuple[KafkaRule, ...] | None = None


@dataclass(frozen=True, slots=True)
class PortRule:
    """One entry of ``toPorts``."""

    origin: Origin
    ports: tuple[CiliumPort, ...] | None = None
    rules: L7Rules | None = None


@dataclass(frozen=True, slots=True)
class ICMPField:
    """One entry of ``icmps[].fields``; ``type`` is a number, or a name of Cilium's as written."""

    origin: Origin
    type: int | str
    family: str | None = None


@dataclass(frozen=True, slots=True)
class CiliumRule:
    """One entry of ``ingress``, ``egress``, ``ingressDeny`` or ``egressDeny``; ``endpoints``: its from- or toEndpoints."""

    origin: Origin
    endpoints: tuple[LabelSelector, ...] | None = None
    cidrs: tuple[str, ...] | None = None
    cidr_sets: tuple[CIDRSet, ...] | None = None
    entities: tuple[str, ...] | None = None
    ports: tuple[PortRule, ...] | None = None
    icmps: tuple[tuple[ICMPField, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class EnableDefaultDeny:
    """Whether a policy that selects a pod also isolates it."""

    ingress: bool | None = None
    egress: bool | None = None


@dataclass(frozen=True, slots=True)
class CiliumSpec:
    """``spec``, or one entry of ``specs``."""

    origin: Origin
    endpoint_selector: LabelSelector
    ingress: tuple[CiliumRule, ...] | None = None
    egress: tuple[CiliumRule, ...] | None = None
    ingress_deny: tuple[CiliumRule, ...] | None = None
    egress_deny: tuple[CiliumRule, ...] | None = None
    enable_default_deny: EnableDefaultDeny | None = None


@dataclass(frozen=True, slots=True)
class CiliumPolicy:
    """A CiliumNetworkPolicy; with ``namespace`` None a CiliumClusterwideNetworkPolicy. ``origin``: the line of its ``kind``."""

    origin: Origin
    name: str
    namespace: str | None
    specs: tuple[CiliumSpec, ...]


Policy = NetworkPolicy | CiliumPolicy
