"""What Cilium's policies mean, judged over the compiled tables as the kernel does. The answers are Cilium's documentation's."""

from typing import Any

import pytest
from mesh_world import World

from harness.mesh.grants import PolicyError
from harness.model.cilium import (
    CIDRSet,
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    HTTPRule,
    ICMPField,
    KafkaRule,
    L7Rules,
    PortRule,
)
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, Requirement, Rule

HERE = Origin("cilium.yaml", 1)
EVERYBODY = LabelSelector()
DB = LabelSelector({"app": "db"})
WEB = LabelSelector({"app": "web"})
ANYBODY = {"endpoints": (EVERYBODY,)}


def policy(selector: LabelSelector = DB, namespace: str | None = "shop", **fields: Any) -> CiliumPolicy:
    return CiliumPolicy(HERE, "p", namespace, (CiliumSpec(Origin("cilium.yaml", 5), selector, **fields),))


def rule(line: int = 9, **fields: Any) -> CiliumRule:
    return CiliumRule(Origin("cilium.yaml", line), **fields)


def to_ports(*ports: CiliumPort) -> tuple[PortRule, ...]:
    return (PortRule(HERE, ports),)


def port(written: str, protocol: str | None = None, last: int | None = None) -> CiliumPort:
    return CiliumPort(HERE, written, last, protocol)


def icmps(written: int | str, family: str | None = None) -> tuple[tuple[ICMPField, ...], ...]:
    return ((ICMPField(HERE, written, family),),)


# Whom a policy isolates


@pytest.mark.parametrize(
    ("fields", "closed"),
    [
        ({}, False),
        ({"ingress": ()}, False),
        ({"ingress": (rule(),)}, True),
        ({"ingress_deny": (rule(),)}, True),
        ({"egress": (rule(),)}, False),
        ({"ingress": (rule(),), "enable_default_deny": EnableDefaultDeny(ingress=False)}, False),
        ({"enable_default_deny": EnableDefaultDeny(ingress=True)}, True),
        ({"ingress": (rule(),), "enable_default_deny": EnableDefaultDeny(egress=False)}, True),
    ],
)
def test_rules_isolate_unless_the_policy_says_otherwise(world: World, fields: dict[str, Any], closed: bool) -> None:
    assert world.allows([policy(**fields)], "shop/web", "shop/db") is not closed
    assert world.allows([policy(**fields)], "shop/db", "shop/web") is ("egress" not in fields)


def test_each_of_several_specs_selects_for_itself(world: World) -> None:
    specs = tuple(CiliumSpec(HERE, selector, ingress=(rule(),)) for selector in (DB, LabelSelector({"tier": "front"})))
    both = CiliumPolicy(HERE, "p", "shop", specs)
    assert not world.allows([both], "shop/bare", "shop/db")
    assert not world.allows([both], "shop/bare", "shop/web")
    assert world.allows([both], "shop/web", "shop/bare")


# Selectors


def test_a_policy_selects_in_its_namespace_and_a_clusterwide_one_everywhere(world: World) -> None:
    assert world.allows([policy(WEB, ingress=(rule(),))], "shop/db", "evil/web")
    assert not world.allows([policy(WEB, namespace=None, ingress=(rule(),))], "shop/db", "evil/web")


@pytest.mark.parametrize("key", ["app", "k8s:app", "any:app"])
def test_the_source_of_a_label_may_be_written(world: World, key: str) -> None:
    written = policy(LabelSelector({key: "db"}), ingress=(rule(endpoints=(LabelSelector({key: "web"}),)),))
    assert world.allows([written], "shop/web", "shop/db")
    assert not world.allows([written], "shop/bare", "shop/db")


@pytest.mark.parametrize(
    ("selector", "passes"),
    [
        (WEB, False),
        (EVERYBODY, False),
        (LabelSelector({"app": "web", "k8s:io.kubernetes.pod.namespace": "evil"}), True),
        (LabelSelector({"k8s:io.cilium.k8s.namespace.labels.team": "other"}), True),
        (LabelSelector({"io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": "evil"}), True),
        (LabelSelector({}, (Requirement("io.kubernetes.pod.namespace", "Exists"),)), True),
    ],
)
def test_peers_are_of_the_policys_namespace_unless_another_is_asked_for(
    world: World, selector: LabelSelector, passes: bool
) -> None:
    assert world.allows([policy(ingress=(rule(endpoints=(selector,)),))], "evil/web", "shop/db") is passes


def test_peers_of_a_clusterwide_policy_are_of_any_namespace(world: World) -> None:
    written = policy(namespace=None, ingress=(rule(**ANYBODY),))
    assert world.allows([written], "evil/web", "shop/db")
    assert not world.allows([written], "192.0.2.1", "shop/db")


# Peers


@pytest.mark.parametrize("field", ["endpoints", "cidrs", "cidr_sets", "entities"])
def test_an_empty_list_of_peers_matches_nobody(world: World, field: str) -> None:
    written = policy(ingress=(rule(**{field: ()}, ports=to_ports(port("80"))),))
    assert not world.allows([written], "shop/web", "shop/db")
    assert not world.allows([written], "192.0.2.1", "shop/db")


def test_a_rule_of_ports_alone_means_anybody(world: World) -> None:
    written = policy(ingress=(rule(ports=to_ports(port("80"))),))
    assert world.allows([written], "evil/web", "shop/db")
    assert world.allows([written], "192.0.2.1", "shop/db")
    assert not world.allows([written], "192.0.2.1", "shop/db", 81)


def test_a_block_matches_no_pod_while_a_networkpolicys_does(world: World) -> None:
    outside = policy(ingress=(rule(cidrs=("10.0.0.0/8",)),))
    with_pods = NetworkPolicy(
        HERE, "p", "shop", DB, ingress=(Rule(HERE, (Peer(HERE, ip_block=IPBlock("10.0.0.0/8", ("10.0.1.0/24",))),)),)
    )
    assert world.allows([outside], "10.9.9.9", "shop/db")
    assert not world.allows([outside], "shop/web", "shop/db")
    assert world.allows([outside, with_pods], "shop/web", "shop/db")
    assert not world.allows([outside, with_pods], "evil/web", "shop/db")
    assert world.allows([outside, with_pods], "10.0.1.77", "shop/db")


def test_a_set_leaves_out_what_it_excepts(world: World) -> None:
    written = policy(ingress=(rule(cidr_sets=(CIDRSet(HERE, "192.0.2.0/24", ("192.0.2.128/25",)),)),))
    assert world.allows([written], "192.0.2.1", "shop/db")
    assert not world.allows([written], "192.0.2.129", "shop/db")


def test_an_address_is_a_block_of_one(world: World) -> None:
    written = policy(ingress=(rule(cidrs=("192.0.2.7", "2001:db8::7")),))
    assert world.allows([written], "192.0.2.7", "shop/db")
    assert world.allows([written], "2001:db8::7", "shop/db", family=6)
    assert not world.allows([written], "192.0.2.8", "shop/db")


@pytest.mark.parametrize(
    ("entity", "reached"),
    [
        ("all", ("shop/web", "evil/web", "192.0.2.1", "2001:db8::1")),
        ("cluster", ("shop/web", "evil/web")),
        ("world", ("192.0.2.1", "2001:db8::1")),
        ("world-ipv4", ("192.0.2.1",)),
        ("world-ipv6", ("2001:db8::1",)),
        ("host", ()),
        ("remote-node", ()),
        ("none", ()),
    ],
)
def test_an_entity_is_whom_cilium_calls_so(world: World, entity: str, reached: tuple[str, ...]) -> None:
    written = policy(ingress=(rule(entities=(entity,)),))
    sources = ("shop/web", "evil/web", "192.0.2.1", "2001:db8::1")
    found = tuple(end for end in sources if world.allows([written], end, "shop/db", family=6 if "db8" in end else 4))
    assert found == reached


# Ports and ICMP


@pytest.mark.parametrize("protocol", [None, "ANY"])
def test_a_port_of_any_protocol_is_tcp_and_udp(world: World, protocol: str | None) -> None:
    written = policy(ingress=(rule(ports=to_ports(port("53", protocol))),))
    assert world.allows([written], "shop/web", "shop/db", 53)
    assert world.allows([written], "shop/web", "shop/db", 53, "UDP")
    assert not world.allows([written], "shop/web", "shop/db", 54)
    assert not world.allows([written], "shop/web", "shop/db", 8, "ICMP")


def test_port_zero_is_every_port_of_its_protocol(world: World) -> None:
    written = policy(ingress=(rule(ports=to_ports(port("0", "UDP"))),))
    assert world.allows([written], "shop/web", "shop/db", 1, "UDP")
    assert not world.allows([written], "shop/web", "shop/db", 1)


@pytest.mark.parametrize("ports", [None, ()])
def test_a_port_rule_without_ports_is_everything(world: World, ports: tuple[CiliumPort, ...] | None) -> None:
    written = policy(ingress=(rule(ports=(PortRule(HERE, ports),)),))
    assert world.allows([written], "192.0.2.1", "shop/db", 8, "ICMP")


def test_no_port_rules_are_as_if_not_written(world: World) -> None:
    assert not world.allows([policy(ingress=(rule(ports=()),))], "shop/web", "shop/db")
    assert world.allows([policy(ingress=(rule(**ANYBODY, ports=()),))], "shop/web", "shop/db", 8, "ICMP")


@pytest.mark.parametrize(("number", "passes"), [(99, False), (100, True), (200, True), (201, False)])
def test_an_end_port_is_included(world: World, number: int, passes: bool) -> None:
    written = policy(ingress=(rule(ports=to_ports(port("100", "TCP", 200))),))
    assert world.allows([written], "shop/web", "shop/db", number) is passes


def test_a_named_port_is_the_destinations_own_and_nobodys_outside(world: World) -> None:
    ingress = policy(EVERYBODY, ingress=(rule(ports=to_ports(port("http"))),))
    egress = policy(EVERYBODY, egress=(rule(ports=to_ports(port("http"))),))
    for written in (ingress, egress):
        assert world.allows([written], "shop/bare", "shop/web", 8080)
        assert not world.allows([written], "shop/bare", "shop/web", 9090)
        assert world.allows([written], "shop/bare", "shop/db", 9090)
    assert not world.allows([egress], "shop/bare", "192.0.2.1", 8080)
    outside = policy(EVERYBODY, egress=(rule(cidrs=("0.0.0.0/0",), ports=to_ports(port("http"))),))
    assert not world.allows([outside], "shop/bare", "192.0.2.1", 8080)


@pytest.mark.parametrize("written", [8, "8", "EchoRequest", "Echo"])
def test_an_icmp_rule_allows_its_type_and_family_only(world: World, written: int | str) -> None:
    pinging = policy(ingress=(rule(icmps=icmps(written)),))
    assert world.allows([pinging], "shop/web", "shop/db", 8, "ICMP")
    assert not world.allows([pinging], "shop/web", "shop/db", 13, "ICMP")
    assert not world.allows([pinging], "shop/web", "shop/db", 128, "ICMP", 6)
    assert not world.allows([pinging], "shop/web", "shop/db", 8)


def test_an_icmpv6_type_has_the_same_name_and_another_number(world: World) -> None:
    pinging = policy(ingress=(rule(icmps=icmps("EchoRequest", "IPv6")),))
    assert world.allows([pinging], "shop/web", "shop/db", 128, "ICMP", 6)
    assert not world.allows([pinging], "shop/web", "shop/db", 8, "ICMP")


# Denials


def test_a_denial_wins_over_what_is_more_specific_and_over_networkpolicies(world: World) -> None:
    exact = policy(ingress=(rule(endpoints=(WEB,), ports=to_ports(port("80", "TCP"))),))
    opened = NetworkPolicy(HERE, "p", "shop", DB, ingress=(Rule(HERE),))
    denying = policy(ingress_deny=(rule(entities=("all",)),))
    assert world.allows([exact, opened], "shop/web", "shop/db")
    assert not world.allows([exact, opened, denying], "shop/web", "shop/db")


@pytest.mark.parametrize(
    ("denied", "source", "number", "protocol"),
    [
        ({"endpoints": (WEB,)}, "shop/web", 80, "TCP"),
        ({"cidrs": ("192.0.2.0/24",)}, "192.0.2.1", 80, "TCP"),
        ({"ports": to_ports(port("80", "TCP"))}, "shop/web", 80, "TCP"),
        ({"ports": to_ports(port("0", "UDP"))}, "shop/web", 53, "UDP"),
        ({"icmps": icmps(8)}, "shop/web", 8, "ICMP"),
    ],
    ids=["endpoints", "cidr", "port", "protocol", "icmp"],
)
def test_a_denial_without_isolation_denies_what_it_names_and_no_more(
    world: World, denied: dict[str, Any], source: str, number: int, protocol: str
) -> None:
    only = policy(ingress_deny=(rule(**denied),), enable_default_deny=EnableDefaultDeny(ingress=False))
    assert not world.allows([only], source, "shop/db", number, protocol)
    assert world.allows([only], "evil/web", "shop/db", 443)
    assert world.allows([only], source, "shop/bare", number, protocol)


def test_a_denial_is_of_its_direction_only(world: World) -> None:
    only = policy(egress_deny=(rule(entities=("all",)),), enable_default_deny=EnableDefaultDeny(egress=False))
    assert not world.allows([only], "shop/db", "shop/web")
    assert world.allows([only], "shop/web", "shop/db")


def test_an_empty_rule_denies_nothing(world: World) -> None:
    both = policy(ingress_deny=(rule(),), ingress=(rule(**ANYBODY),))
    assert world.allows([both], "shop/web", "shop/db")


def test_a_denial_is_known_by_its_rule_and_isolation_by_its_spec(world: World) -> None:
    compiled = world.compile(policy(ingress_deny=(rule(line=20, endpoints=(WEB,)),)))
    assert compiled.rule(compiled.subjects[1, world.id("shop/db")].rule) == Origin("cilium.yaml", 5)
    assert {compiled.rule(number) for number in compiled.entries.values()} == {Origin("cilium.yaml", 20)}


# Refusals


def looking_into(to: CiliumPort | None = None, **fields: Any) -> tuple[PortRule, ...]:
    return (PortRule(HERE, (to or port("80", "TCP"),), L7Rules(HERE, **fields)),)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (rule(cidrs=("10.0.0.0/8",), **ANYBODY), "combining endpoints and CIDR is not supported"),
        (rule(cidrs=("10.0.0.0/8",), cidr_sets=(CIDRSet(HERE, "10.0.0.0/8"),)), "combining CIDR and CIDRSet"),
        (rule(ports=to_ports(port("80")), icmps=icmps(8)), "combining toPorts and icmps"),
        (rule(cidrs=("10.0.0.1/8",)), "'10.0.0.1/8' is not a CIDR"),
        (rule(cidrs=("10.0.0.0/255.0.0.0",)), "is not the length of a prefix"),
        (rule(cidr_sets=(CIDRSet(HERE, "10.0.0.1"),)), "'10.0.0.1' is not a CIDR"),
        (rule(cidr_sets=(CIDRSet(HERE, "10.0.0.0/8", ("192.0.2.0/24",)),)), "except 192.0.2.0/24 does not lie inside"),
        (rule(entities=("kube-apiserver",)), "entity 'kube-apiserver' is not supported"),
        (rule(endpoints=(LabelSelector({"reserved:host": ""}),)), "select by entities"),
        (rule(endpoints=(LabelSelector({"cni:app": "x"}),)), "no labels of source 'cni'"),
        (rule(endpoints=(LabelSelector({"io.cilium.k8s.policy.serviceaccount": "x"}),)), "serviceaccount' is not supported"),
        (rule(ports=to_ports(port("80", "SCTP"))), "protocol 'SCTP' is not supported"),
        (rule(ports=to_ports(port("80", None, 79))), "ports 80 to 79"),
        (rule(ports=to_ports(port("0", None, 79))), "port 0 is every port already"),
        (rule(ports=to_ports(port("http", None, 79))), "endPort needs a numeric port"),
        (rule(icmps=icmps("Photuris")), "ICMP type 'Photuris' is not supported"),
        (rule(icmps=icmps(8, "IPv5")), "family 'IPv5'"),
        (rule(ports=looking_into(http=(HTTPRule(HERE, "GET"),))), "toPorts.rules.http: this data plane does not parse"),
        (rule(ports=looking_into(kafka=(KafkaRule(HERE),))), "toPorts.rules.kafka: this data plane does not parse"),
        (
            rule(ports=(PortRule(HERE, (port("80"),), L7Rules(HERE, kafka=(KafkaRule(HERE),))),)),
            "rules.kafka: want ports of TCP",
        ),
    ],
)
def test_what_cannot_be_enforced_is_refused_by_name(world: World, written: CiliumRule, words: str) -> None:
    with pytest.raises(PolicyError, match=r"^cilium\.yaml:[0-9]+: ") as caught:
        world.compile(policy(ingress=(written,)))
    assert words in str(caught.value)


def test_a_denial_cannot_look_into_requests(world: World) -> None:
    with pytest.raises(PolicyError, match=r"rules\.http: a deny rule"):
        world.compile(policy(ingress_deny=(rule(ports=looking_into(http=())),)))
