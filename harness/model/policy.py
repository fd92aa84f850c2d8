"""NetworkPolicy of networking.k8s.io/v1, as written.

``None`` always means "the user did not write this field", which differs from an empty list.
What an absent or empty field means is decided by each reader of these values, not here.
Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.origin import Origin


@dataclass(frozen=True, slots=True)
class Requirement:
    """One entry of ``matchExpressions``; operator is In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """``matchLabels`` and ``matchExpressions``; both empty is the selector ``{}``."""

    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class IPBlock:
    """A CIDR and the CIDRs inside it that are excepted."""

    cidr: str
    except_: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Peer:
    """One entry of a rule's ``from`` or ``to``."""

    origin: Origin
    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


@dataclass(frozen=True, slots=True)
class PolicyPort:
    """One entry of a rule's ``ports``; ``port`` is a number or a container port's name."""

    origin: Origin
    protocol: str | None = None
    port: int | str | None = None
    end_port: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of ``ingress`` or ``egress``; ``peers`` is its ``from`` or ``to``."""

    origin: Origin
    peers: tuple[Peer, ...] | None = None
    ports: tuple[PolicyPort, ...] | None = None


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """A NetworkPolicy object; ``origin`` is the line of its ``kind``."""

    origin: Origin
    name: str
    namespace: str
    pod_selector: LabelSelector
    policy_types: tuple[str, ...] | None = None
    ingress: tuple[Rule, ...] | None = None
    egress: tuple[Rule, ...] | None = None
