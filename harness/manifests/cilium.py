"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of cilium.io/v2, checked as Cilium's agent checks them.

A field that is known but not judged is refused by its name.
Source of the rules: ``pkg/policy/api/rule_validation.go`` of Cilium.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from harness.manifests.addresses import Cidr, CidrOrAddress, excepts_inside
from harness.manifests.cilium_labels import NAMESPACE_KEY, EndpointSelector, bare
from harness.manifests.cilium_ports import ICMPShape, PortRuleShape
from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, nearest, quoted
from harness.manifests.kubernetes import Metadata
from harness.manifests.shape import Shape, checked, unsupported, wrong
from harness.model.cilium import CIDRSet, CiliumPolicy, CiliumRule, CiliumSpec, EnableDefaultDeny

API_VERSION = "cilium.io/v2"
KIND = "CiliumNetworkPolicy"
CLUSTERWIDE_KIND = "CiliumClusterwideNetworkPolicy"

_Path = tuple[Step, ...]

_ENTITIES = ("all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "none")


def _entity(text: str) -> str:
    if text not in _ENTITIES:
        hint = nearest(text, _ENTITIES) or f"; supported are {', '.join(_ENTITIES)}"
        raise wrong(f"entity {quoted(text)} is not supported{hint}")
    return text


_Entity = Annotated[str, AfterValidator(_entity)]
_Nodes = Annotated[Any, unsupported("nodes cannot be selected; remove it")]
_Groups = Annotated[Any, unsupported("groups of cloud providers are not known here; use a CIDR")]
_Requires = Annotated[Any, unsupported("Cilium has deprecated it; use a deny rule")]
_Authentication = Annotated[Any, unsupported("mutual authentication of Cilium's is not judged; remove it")]
_CidrGroup = Annotated[Any, unsupported("CiliumCIDRGroup is not read; write the cidr")]


class _CidrSet(Shape):
    cidr: Cidr
    except_: list[Cidr] | None = Field(default=None, alias="except")
    cidr_group_ref: _CidrGroup = None
    cidr_group_selector: _CidrGroup = None

    @model_validator(mode="after")
    def _excepts_inside(self) -> "_CidrSet":
        excepts_inside(self.cidr, self.except_ or ())
        return self


class _Rule(Shape):
    endpoints: list[EndpointSelector] | None = None
    cidrs: list[CidrOrAddress] | None = None
    cidr_sets: list[_CidrSet] | None = None
    entities: list[_Entity] | None = None
    to_ports: list[PortRuleShape] | None = None
    icmps: list[ICMPShape] | None = None
    authentication: _Authentication = None

    @model_validator(mode="after")
    def _parts_that_go_together(self) -> "_Rule":
        peers = [
            str(type(self).model_fields[name].alias)
            for name in ("endpoints", "cidrs", "cidr_sets", "entities")
            if getattr(self, name) is not None
        ]
        if len(peers) > 1:
            raise wrong(f"combining {peers[0]} and {peers[1]} is not supported by Cilium; write two rules", peers[1])
        if self.to_ports and self.icmps:
            raise wrong("combining toPorts and icmps is not supported by Cilium; write two rules", "icmps")
        return self


class _Ingress(_Rule):
    endpoints: list[EndpointSelector] | None = Field(default=None, alias="fromEndpoints")
    cidrs: list[CidrOrAddress] | None = Field(default=None, alias="fromCIDR")
    cidr_sets: list[_CidrSet] | None = Field(default=None, alias="fromCIDRSet")
    entities: list[_Entity] | None = Field(default=None, alias="fromEntities")
    from_nodes: _Nodes = None
    from_groups: _Groups = None
    from_requires: _Requires = None


class _Egress(_Rule):
    endpoints: list[EndpointSelector] | None = Field(default=None, alias="toEndpoints")
    cidrs: list[CidrOrAddress] | None = Field(default=None, alias="toCIDR")
    cidr_sets: list[_CidrSet] | None = Field(default=None, alias="toCIDRSet")
    entities: list[_Entity] | None = Field(default=None, alias="toEntities")
    to_nodes: _Nodes = None
    to_groups: _Groups = None
    to_requires: _Requires = None
    to_services: Annotated[Any, unsupported("Services are not resolved; use toEndpoints")] = None
    to_fqdns: Annotated[Any, unsupported("names are not resolved; use toCIDR")] = Field(default=None, alias="toFQDNs")


class _DefaultDeny(Shape):
    ingress: bool | None = None
    egress: bool | None = None


class _Spec(Shape):
    endpoint_selector: EndpointSelector
    ingress: list[_Ingress] | None = None
    egress: list[_Egress] | None = None
    ingress_deny: list[_Ingress] | None = None
    egress_deny: list[_Egress] | None = None
    enable_default_deny: _DefaultDeny | None = None
    description: str | None = None
    labels: Any = None
    node_selector: Annotated[Any, unsupported("policies of nodes are not judged; use endpointSelector")] = None
    log: Annotated[Any, unsupported("flow logs are not written; remove it")] = None

    @model_validator(mode="after")
    def _deny_without_l7(self) -> "_Spec":
        denying: tuple[tuple[str, Sequence[_Rule] | None], ...]
        denying = (("ingressDeny", self.ingress_deny), ("egressDeny", self.egress_deny))
        for side, rules in denying:
            for i, rule in enumerate(rules or ()):
                for j, port in enumerate(rule.to_ports or ()):
                    if port.rules is not None:
                        raise wrong("a deny rule takes no L7 rules; remove them", side, i, "toPorts", j, "rules")
        return self


class _CiliumPolicy(Shape):
    api_version: Any = None
    kind: Any = None
    metadata: Metadata
    spec: _Spec | None = None
    specs: list[_Spec] | None = None
    status: Any = None

    @model_validator(mode="after")
    def _says_something(self) -> "_CiliumPolicy":
        if self.spec is None and not self.specs:
            raise wrong("neither spec nor specs; write spec")
        return self


def cilium_policy(document: Document, path: _Path, faults: list[Fault]) -> CiliumPolicy | None:
    """The CiliumNetworkPolicy at ``path`` of a document; None, and faults added, where it is not a valid one."""
    return _policy(document, path, faults, clusterwide=False)


def clusterwide_policy(document: Document, path: _Path, faults: list[Fault]) -> CiliumPolicy | None:
    """The CiliumClusterwideNetworkPolicy at ``path`` of a document; None, and faults added, where it is not a valid one."""
    return _policy(document, path, faults, clusterwide=True)


def _policy(document: Document, path: _Path, faults: list[Fault], *, clusterwide: bool) -> CiliumPolicy | None:
    shape = checked(document, _CiliumPolicy, faults, path)
    if shape is None:
        return None
    namespace = None if clusterwide else shape.metadata.namespace or "default"  # as kubectl does without -n
    specs: list[tuple[_Path, _Spec]] = [((*path, "spec"), shape.spec)] if shape.spec is not None else []
    specs += [((*path, "specs", i), spec) for i, spec in enumerate(shape.specs or ())]
    misplaced = list(_misplaced(document, path, shape.metadata.namespace, namespace, specs))
    if misplaced:
        faults += misplaced
        return None
    return CiliumPolicy(
        origin=document.origin((*path, "kind")),
        name=shape.metadata.name,
        namespace=namespace,
        specs=tuple(_spec(document, at, spec) for at, spec in specs),
    )


def _misplaced(
    document: Document, path: _Path, written: str | None, namespace: str | None, specs: Sequence[tuple[_Path, _Spec]]
) -> Iterator[Fault]:
    """A namespace where there is none, or another than the policy's own, which Cilium would override."""
    if namespace is None:
        if written is not None:
            what = f"a {CLUSTERWIDE_KIND} is in no namespace; remove it or write a {KIND}"
            yield document.fault((*path, "metadata", "namespace"), what)
        return
    for at, spec in specs:
        for key, value in (spec.endpoint_selector.match_labels or {}).items():
            if bare(key) == NAMESPACE_KEY and value != namespace:
                what = f"{quoted(value)}, but the policy selects pods of its own namespace {quoted(namespace)} only; remove it"
                yield document.fault((*at, "endpointSelector", "matchLabels", key), what)


def _spec(document: Document, path: _Path, spec: _Spec) -> CiliumSpec:
    deny = spec.enable_default_deny
    return CiliumSpec(
        origin=document.origin(path),
        endpoint_selector=spec.endpoint_selector.value(),
        ingress=_rules(document, (*path, "ingress"), spec.ingress),
        egress=_rules(document, (*path, "egress"), spec.egress),
        ingress_deny=_rules(document, (*path, "ingressDeny"), spec.ingress_deny),
        egress_deny=_rules(document, (*path, "egressDeny"), spec.egress_deny),
        enable_default_deny=None if deny is None else EnableDefaultDeny(deny.ingress, deny.egress),
    )


def _rules(document: Document, path: _Path, rules: Sequence[_Rule] | None) -> tuple[CiliumRule, ...] | None:
    return None if rules is None else tuple(_rule(document, (*path, i), rule) for i, rule in enumerate(rules))


def _rule(document: Document, path: _Path, rule: _Rule) -> CiliumRule:
    ports, icmps = rule.to_ports, rule.icmps
    return CiliumRule(
        origin=document.origin(path),
        endpoints=None if rule.endpoints is None else tuple(each.value() for each in rule.endpoints),
        cidrs=None if rule.cidrs is None else tuple(rule.cidrs),
        cidr_sets=_cidr_sets(document, path, rule),
        entities=None if rule.entities is None else tuple(rule.entities),
        ports=None if ports is None else tuple(each.value(document, (*path, "toPorts", i)) for i, each in enumerate(ports)),
        icmps=None if icmps is None else tuple(each.value(document, (*path, "icmps", i)) for i, each in enumerate(icmps)),
    )


def _cidr_sets(document: Document, path: _Path, rule: _Rule) -> tuple[CIDRSet, ...] | None:
    if rule.cidr_sets is None:
        return None
    side = str(type(rule).model_fields["cidr_sets"].alias)
    return tuple(
        CIDRSet(document.origin((*path, side, i)), each.cidr, tuple(each.except_ or ()))
        for i, each in enumerate(rule.cidr_sets)
    )
