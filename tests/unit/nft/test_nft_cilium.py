"""Cilium's policies as these rules read them."""

from dataclasses import replace

import pytest
from rules_world import ECHO, HERE, NODES, allows, compiled, policy, rule, spec

from harness.model.cilium import CIDRSet, CiliumPort, CiliumRule, EnableDefaultDeny, HTTPRule, ICMPField, L7Rules, PortRule
from harness.model.policy import LabelSelector, NetworkPolicy, Requirement
from harness.nft.errors import PolicyError

ANYONE = LabelSelector()
WORLD = "192.0.2.1"


def ports(*written: CiliumPort) -> tuple[PortRule, ...]:
    return (PortRule(HERE, written),)


def icmp(type_: int | str, family: str | None = None) -> tuple[tuple[ICMPField, ...], ...]:
    return ((ICMPField(HERE, type_, family),),)


def reaches(given: CiliumRule, source: str, port: int = 80, protocol: str = "tcp", family: int = 4) -> bool:
    """Whether an ingress rule of shop's db lets ``source`` in."""
    return allows([policy(spec("db", ingress=(given,)))], source, "shop/db", port, protocol, family)


def test_directions_are_isolated_by_entries_only() -> None:
    assert allows([policy(spec("db", ingress=()))], "evil/web", "shop/db")
    assert not allows([policy(spec("db", ingress=(rule(),)))], "evil/web", "shop/db")
    assert allows([policy(spec("db", ingress=(rule(),)))], "shop/db", "evil/web")
    assert not allows([policy(spec("db", egress_deny=(rule(),)))], "shop/db", "evil/web")


def test_default_deny_can_be_chosen() -> None:
    off = spec("db", ingress=(rule(),), enable_default_deny=EnableDefaultDeny(ingress=False))
    assert allows([policy(off)], "evil/web", "shop/db")
    on = spec("db", enable_default_deny=EnableDefaultDeny(egress=True))
    assert not allows([policy(on)], "shop/db", "evil/web")


def test_a_denial_wins_over_every_allow() -> None:
    everyone = rule(entities=("all",))
    denial = rule(endpoints=(LabelSelector({"app": "web"}),), ports=ports(CiliumPort(HERE, "80")))
    both = policy(spec("db", ingress=(everyone,), ingress_deny=(denial,)))
    plain = NetworkPolicy(HERE, "open", "shop", ANYONE, ingress=())
    for policies in ([both], [both, plain], [plain, both]):
        assert not allows(policies, "shop/web", "shop/db", 80)
    assert allows([both], "shop/web", "shop/db", 81)
    assert allows([both], "evil/web", "shop/db", 80)


def test_a_denial_without_isolation_denies_nothing_else() -> None:
    denial = rule(entities=("world",))
    free = spec("db", ingress_deny=(denial,), enable_default_deny=EnableDefaultDeny(ingress=False))
    assert not allows([policy(free)], WORLD, "shop/db")
    assert allows([policy(free)], "evil/web", "shop/db")


def test_a_selector_stays_in_its_namespace_unless_it_names_one() -> None:
    assert reaches(rule(endpoints=(ANYONE,)), "shop/web")
    assert not reaches(rule(endpoints=(ANYONE,)), "evil/web")
    for key, value in (("k8s:io.kubernetes.pod.namespace", "evil"), ("io.cilium.k8s.namespace.labels.team", "other")):
        assert reaches(rule(endpoints=(LabelSelector({key: value}),)), "evil/web")
        assert not reaches(rule(endpoints=(LabelSelector({key: value}),)), "shop/web")
    somewhere = LabelSelector(match_expressions=(Requirement("any:io.kubernetes.pod.namespace", "Exists"),))
    assert reaches(rule(endpoints=(somewhere,)), "evil/web")


def test_a_clusterwide_policy_knows_no_namespace() -> None:
    assert not allows([policy(spec("web", ingress=(rule(),)), namespace=None)], "shop/db", "evil/web")
    assert allows([policy(spec("web", ingress=(rule(endpoints=(ANYONE,)),)), namespace=None)], "shop/db", "evil/web")


def test_an_empty_list_of_peers_is_nobody_and_ports_alone_are_for_anybody() -> None:
    for field in ("endpoints", "cidrs", "cidr_sets", "entities"):
        assert not reaches(rule(**{field: ()}), "shop/web")
    assert reaches(rule(ports=ports(CiliumPort(HERE, "80"))), WORLD)
    assert not reaches(rule(ports=()), WORLD), "a rule that says nothing"


def test_cidrs_are_of_the_world_only() -> None:
    everything = rule(cidrs=("0.0.0.0/0",))
    assert reaches(everything, WORLD)
    assert not reaches(everything, "shop/web")
    assert not reaches(everything, NODES[0])
    excepted = rule(cidr_sets=(CIDRSet(HERE, "192.0.2.0/24", ("192.0.2.0/31",)),))
    assert not reaches(excepted, WORLD)
    assert reaches(excepted, "192.0.2.2")
    assert reaches(rule(cidrs=("192.0.2.1",)), WORLD)
    assert not reaches(rule(cidrs=("192.0.2.1",)), "192.0.2.2")


@pytest.mark.parametrize(
    ("entity", "let_in"),
    [
        ("all", {"shop/web", WORLD, NODES[0]}), ("world", {WORLD}), ("world-ipv4", {WORLD}), ("world-ipv6", set()),
        ("cluster", {"shop/web", NODES[0]}), ("host", {NODES[0]}), ("remote-node", {NODES[0]}), ("none", set()),
    ],
)  # fmt: skip
def test_entities_stand_for_addresses(entity: str, let_in: set[str]) -> None:
    found = {source for source in ("shop/web", WORLD, NODES[0]) if reaches(rule(entities=(entity,)), source)}
    assert found == let_in


def test_ports_are_of_both_protocols_unless_one_is_named() -> None:
    either = rule(ports=ports(CiliumPort(HERE, "53", protocol="ANY")))
    assert [reaches(either, WORLD, 53, protocol) for protocol in ("tcp", "udp", "icmp")] == [True, True, False]
    assert not reaches(rule(ports=ports(CiliumPort(HERE, "53", protocol="UDP"))), WORLD, 53)
    assert reaches(rule(ports=ports(CiliumPort(HERE, "0", protocol="UDP"))), WORLD, 9, "udp")
    assert reaches(rule(ports=ports()), WORLD, ECHO[4], "icmp")
    ranged = rule(ports=ports(CiliumPort(HERE, "80", end_port=90)))
    assert [reaches(ranged, WORLD, port) for port in (79, 80, 90, 91)] == [False, True, True, False]


def test_a_named_port_has_the_protocol_that_was_declared() -> None:
    dns = rule(ports=ports(CiliumPort(HERE, "dns")))
    assert reaches(dns, WORLD, 53, "udp")
    assert not reaches(dns, WORLD, 53, "tcp")


def test_icmp_is_of_one_family_and_any_code() -> None:
    assert reaches(rule(icmps=icmp("EchoRequest")), WORLD, ECHO[4] + 3, "icmp")
    assert not reaches(rule(icmps=icmp(8)), WORLD, ECHO[4] + 256, "icmp")
    assert not reaches(rule(icmps=icmp(8)), "shop/web", ECHO[6], "icmpv6", 6)
    assert reaches(rule(icmps=icmp("EchoRequest", "IPv6")), "shop/web", ECHO[6], "icmpv6", 6)
    assert not reaches(rule(icmps=icmp(8)), WORLD, 80)


HTTP = (PortRule(HERE, None, L7Rules(HERE, http=(HTTPRule(HERE, "GET"),))),)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (rule(endpoints=(), cidrs=()), "combining endpoints and CIDR"),
        (rule(cidrs=(), cidr_sets=()), "combining CIDR and CIDRSet"),
        (rule(ports=HTTP, icmps=icmp(8)), "combining toPorts and icmps"),
        (rule(ports=HTTP), "rules.http"),
        (rule(entities=("init",)), "entity 'init'"),
        (rule(endpoints=(LabelSelector({"reserved:host": ""}),)), "reserved:host"),
        (rule(endpoints=(LabelSelector({"io.cilium.k8s.policy.serviceaccount": "x"}),)), "serviceaccount"),
        (rule(endpoints=(LabelSelector({"container:x": "y"}),)), "source 'container'"),
        (rule(cidrs=("10.0.0.1/8",)), "host bits"),
        (rule(ports=ports(CiliumPort(HERE, "80", protocol="SCTP"))), "protocol SCTP"),
        (rule(ports=ports(CiliumPort(HERE, "0", end_port=9))), "endPort"),
        (rule(icmps=icmp("Photuris")), "ICMP type 'Photuris'"),
    ],
)
def test_what_cannot_be_enforced_is_refused_by_its_line(broken: CiliumRule, words: str) -> None:
    with pytest.raises(PolicyError, match=rf"policy\.yaml:9: .*{words}"):
        compiled(policy(spec(ingress=(broken,))))


def test_l7_rules_are_refused_also_where_nobody_is_selected() -> None:
    nobody = replace(spec("nobody"), egress=(rule(ports=HTTP),))
    with pytest.raises(PolicyError, match=r"rules\.http"):
        compiled(policy(nobody))
