"""Strategies of hypothesis for CiliumNetworkPolicies, clusterwide ones among them."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from harness.model.cilium import (
    CIDRSet,
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    HTTPRule,
    ICMPField,
    L7Rules,
    PortRule,
)
from harness.model.policy import LabelSelector
from harness.search.policies import Lines, seldom, selectors, several
from harness.search.vocabulary import ENTITIES, NAME_LABEL, Vocabulary

HOME, HOME_LABEL = "io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels."


@composite
def endpoint_selectors(draw: DrawFn, words: Vocabulary) -> LabelSelector:
    """Keys with and without a source; sometimes of the pod's namespace or of its labels."""
    first, second = words.keys[:2]
    if draw(st.integers(0, 2)) < 2:
        return draw(selectors((*words.keys, f"k8s:{first}", f"any:{second}"), words.values))
    source = draw(st.sampled_from(("", "k8s:")))
    if draw(st.booleans()):
        return draw(selectors((source + HOME,), (*words.namespaces, words.namespaces[0])))
    key = draw(st.sampled_from((*words.keys, NAME_LABEL)))
    return draw(selectors((source + HOME_LABEL + key, first), words.namespaces if key == NAME_LABEL else words.values))


@composite
def port_rules(draw: DrawFn, words: Vocabulary, lines: Lines) -> PortRule:
    """Entries of ``toPorts``."""
    some = several(cilium_ports(words, lines), 1, 2)
    ports = draw(seldom(st.just(())) | some | some)
    http = L7Rules(lines.next(), http=(HTTPRule(lines.next(), method="GET"),))
    return PortRule(lines.next(), ports, http if words.requests and ports and draw(st.integers(0, 4)) == 4 else None)


@composite
def cilium_ports(draw: DrawFn, words: Vocabulary, lines: Lines) -> CiliumPort:
    """Entries of ``toPorts[].ports``."""
    port = draw(st.sampled_from((*map(str, words.ports), "0", *words.names)))
    end = int(port) + draw(st.integers(0, 400)) if port.isdigit() and port != "0" and draw(st.booleans()) else None
    return CiliumPort(lines.next(), port, end, draw(st.sampled_from((None, "ANY", "TCP", "UDP"))))


@composite
def icmp_fields(draw: DrawFn, words: Vocabulary, lines: Lines) -> ICMPField:
    """Entries of ``icmps[].fields``."""
    family = draw(st.sampled_from((None, "IPv4", "IPv6")))
    return ICMPField(lines.next(), draw(st.sampled_from(words.icmp_types[family])), family)


@composite
def cidr_sets(draw: DrawFn, words: Vocabulary, lines: Lines) -> CIDRSet:
    """Entries of ``fromCIDRSet`` and ``toCIDRSet``."""
    cidr, hole = draw(st.sampled_from(words.blocks))
    return CIDRSet(lines.next(), cidr, (hole,) if draw(st.booleans()) else ())


@composite
def cilium_rules(draw: DrawFn, words: Vocabulary, lines: Lines) -> CiliumRule:
    """Rules, of one sort of peers each, or of none."""
    peer: dict[str, Any] = {}
    match draw(st.integers(0, 7)):
        case 1 | 2 | 3:
            peer["endpoints"] = draw(several(endpoint_selectors(words), 0, 2) | several(endpoint_selectors(words), 1, 2))
        case 4:
            addresses = st.sampled_from(tuple(cidr for cidr, _ in words.blocks) + words.outside)
            peer["cidrs"] = draw(several(addresses, 0, 3))
        case 5:
            peer["cidr_sets"] = draw(several(cidr_sets(words, lines), 0, 2))
        case 6 | 7:
            peer["entities"] = draw(several(st.sampled_from(ENTITIES), 0, 2))
    match draw(st.integers(0, 5)):
        case 1 | 2 | 3:
            peer["ports"] = draw(several(port_rules(words, lines), 0, 1) | several(port_rules(words, lines), 1, 2))
        case 4:
            peer["icmps"] = draw(several(several(icmp_fields(words, lines), 0, 2), 0, 2))
    return CiliumRule(lines.next(), **peer)


@composite
def cilium_specs(draw: DrawFn, words: Vocabulary, lines: Lines) -> CiliumSpec:
    """``spec``, or an entry of ``specs``."""
    rule = cilium_rules(words, lines)
    some, few = st.none() | several(rule, 0, 2) | several(rule, 1, 2), st.none() | several(rule, 0, 1)
    switch = st.sampled_from((None, True, False))
    return CiliumSpec(
        lines.next(), draw(endpoint_selectors(words) | selectors(words.keys, words.values)),
        draw(some), draw(some), draw(few), draw(few), draw(seldom(st.builds(EnableDefaultDeny, switch, switch))),
    )  # fmt: skip


@composite
def cilium_policies(draw: DrawFn, words: Vocabulary, lines: Lines) -> CiliumPolicy:
    """CiliumNetworkPolicies, a third of them clusterwide, all of one name."""
    namespace = draw(st.sampled_from((*words.namespaces, None)))
    return CiliumPolicy(lines.next(), "p", namespace, draw(several(cilium_specs(words, lines), 1, 2)))
