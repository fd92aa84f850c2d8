"""What policies mean, judged over the compiled tables as the kernel does."""

import pytest
from mesh_world import World

from harness.mesh.grants import Cluster, PolicyError
from harness.mesh.identity import identities
from harness.mesh.policy import compile_policies
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Rule
from harness.model.topology import Pod, Topology

HERE = Origin("policy.yaml", 1)
EVERYBODY = LabelSelector()
WEB = LabelSelector({"app": "web"})
DB = LabelSelector({"app": "db"})


def policy(selector: LabelSelector = EVERYBODY, line: int = 1, **fields: object) -> NetworkPolicy:
    return NetworkPolicy(Origin("policy.yaml", line), "p", "shop", selector, **fields)  # type: ignore[arg-type]


def rule(*peers: Peer, ports: tuple[PolicyPort, ...] | None = None) -> Rule:
    return Rule(Origin("policy.yaml", 9), peers or None, ports)


def peer(
    pods: LabelSelector | None = None, namespaces: LabelSelector | None = None, cidr: str | None = None, *holes: str
) -> Peer:
    return Peer(HERE, pods, namespaces, IPBlock(cidr, holes) if cidr else None)


def port(number: int | str | None, protocol: str | None = None, last: int | None = None) -> PolicyPort:
    return PolicyPort(Origin("policy.yaml", 11), protocol, number, last)


def test_without_policies_everything_is_allowed(world: World) -> None:
    assert world.allows([], "evil/web", "shop/db")
    assert world.allows([], "192.0.2.1", "shop/db", 53, "UDP")


def test_a_selected_pod_is_closed_to_what_no_rule_allows(world: World) -> None:
    closed = policy(DB, ingress=())
    assert not world.allows([closed], "shop/web", "shop/db")
    assert world.allows([closed], "shop/db", "shop/web")
    assert world.allows([closed], "shop/web", "shop/bare")


def test_a_policy_selects_in_its_own_namespace_only(world: World) -> None:
    assert world.allows([policy(WEB, ingress=())], "shop/db", "evil/web")


@pytest.mark.parametrize("rules", [None, ()])
def test_ingress_is_closed_by_default_types_also_without_rules(world: World, rules: tuple[Rule, ...] | None) -> None:
    assert not world.allows([policy(DB, ingress=rules)], "shop/web", "shop/db")


@pytest.mark.parametrize(("egress", "closed"), [(None, False), ((), False), ((rule(peer(DB)),), True)])
def test_egress_is_closed_by_default_only_with_egress_rules(
    world: World, egress: tuple[Rule, ...] | None, closed: bool
) -> None:
    written = policy(WEB, egress=egress)
    assert world.allows([written], "shop/web", "evil/web") is not closed
    assert world.allows([written], "shop/web", "shop/db")


def test_empty_types_are_defaulted_as_absent_ones(world: World) -> None:
    assert not world.allows([policy(DB, policy_types=(), ingress=())], "shop/web", "shop/db")


def test_written_types_overrule_what_rules_there_are(world: World) -> None:
    written = policy(DB, policy_types=("Egress",), ingress=(rule(),))
    assert world.allows([written], "shop/web", "shop/db")
    assert not world.allows([written], "shop/db", "shop/web")


@pytest.mark.parametrize("peers", [None, ()])
@pytest.mark.parametrize("ports", [None, ()])
def test_absent_and_empty_peers_and_ports_mean_all(
    world: World, peers: tuple[Peer, ...] | None, ports: tuple[PolicyPort, ...] | None
) -> None:
    written = policy(DB, ingress=(Rule(HERE, peers, ports),))
    assert world.allows([written], "evil/web", "shop/db", 7, "UDP")
    assert world.allows([written], "192.0.2.1", "shop/db", 7, "ICMP")


def test_policies_add_up(world: World) -> None:
    both = [policy(DB, ingress=(rule(peer(WEB)),)), policy(EVERYBODY, ingress=())]
    assert world.allows(both, "shop/web", "shop/db")
    assert not world.allows(both, "shop/bare", "shop/db")


def test_a_pod_selector_alone_means_the_policys_namespace(world: World) -> None:
    written = policy(DB, ingress=(rule(peer(WEB)),))
    assert world.allows([written], "shop/web", "shop/db")
    assert not world.allows([written], "evil/web", "shop/db")


def test_a_namespace_selector_alone_means_all_its_pods(world: World) -> None:
    written = policy(DB, ingress=(rule(peer(None, LabelSelector({"team": "other"}))),))
    assert world.allows([written], "evil/web", "shop/db")
    assert not world.allows([written], "shop/web", "shop/db")


def test_both_selectors_in_one_peer_are_anded_and_in_two_ored(world: World) -> None:
    other = LabelSelector({"team": "other"})
    anded = policy(DB, ingress=(rule(peer(LabelSelector({"tier": "front"}), other)),))
    ored = policy(DB, ingress=(rule(peer(LabelSelector({"tier": "front"})), peer(None, other)),))
    assert not world.allows([anded], "evil/web", "shop/db")
    assert not world.allows([anded], "shop/web", "shop/db")
    assert world.allows([ored], "evil/web", "shop/db")
    assert world.allows([ored], "shop/web", "shop/db")


def test_namespaces_carry_their_name_as_a_label(world: World) -> None:
    named = LabelSelector({"kubernetes.io/metadata.name": "evil"})
    assert world.allows([policy(DB, ingress=(rule(peer(None, named)),))], "evil/web", "shop/db")


def test_every_namespace_is_still_not_the_world(world: World) -> None:
    written = policy(DB, ingress=(rule(peer(None, EVERYBODY)),))
    assert world.allows([written], "evil/web", "shop/db")
    assert not world.allows([written], "192.0.2.1", "shop/db")


def test_a_port_without_protocol_is_tcp(world: World) -> None:
    written = policy(DB, ingress=(rule(ports=(port(5432),)),))
    assert world.allows([written], "shop/web", "shop/db", 5432)
    assert not world.allows([written], "shop/web", "shop/db", 5432, "UDP")
    assert not world.allows([written], "shop/web", "shop/db", 5433)


def test_a_protocol_without_port_is_all_its_ports(world: World) -> None:
    written = policy(DB, ingress=(rule(ports=(port(None, "UDP"),)),))
    assert world.allows([written], "shop/web", "shop/db", 1, "UDP")
    assert not world.allows([written], "shop/web", "shop/db", 1)


def test_icmp_needs_a_rule_without_ports(world: World) -> None:
    assert not world.allows([policy(DB, ingress=(rule(ports=(port(None),)),))], "shop/web", "shop/db", 0, "ICMP")
    assert world.allows([policy(DB, ingress=(rule(peer(WEB)),))], "shop/web", "shop/db", 0, "ICMP")


@pytest.mark.parametrize(("number", "expected"), [(31999, False), (32000, True), (32768, True), (32769, False)])
def test_an_end_port_is_included(world: World, number: int, expected: bool) -> None:
    written = policy(DB, ingress=(rule(ports=(port(32000, last=32768),)),))
    assert world.allows([written], "shop/web", "shop/db", number) is expected


def test_a_named_port_is_the_destinations_own(world: World) -> None:
    ingress = policy(EVERYBODY, ingress=(rule(ports=(port("http"),)),))
    egress = policy(LabelSelector({}), policy_types=("Egress",), egress=(rule(ports=(port("http"),)),))
    for written in (ingress, egress):
        assert world.allows([written], "shop/bare", "shop/web", 8080)
        assert not world.allows([written], "shop/bare", "shop/web", 9090)
        assert world.allows([written], "shop/bare", "shop/db", 9090)
        assert not world.allows([written], "shop/bare", "shop/db", 8080)
    assert world.allows([egress], "shop/bare", "evil/web", 8081)
    assert not world.allows([egress], "shop/bare", "192.0.2.1", 8080)


def test_a_name_that_nobody_declares_opens_nothing(world: World) -> None:
    assert not world.allows([policy(DB, ingress=(rule(ports=(port("metrics"),)),))], "shop/web", "shop/db", 9090)


def test_a_name_declared_for_another_protocol_opens_nothing(world: World) -> None:
    assert not world.allows([policy(DB, ingress=(rule(ports=(port("sql", "UDP"),)),))], "shop/web", "shop/db", 5432, "UDP")


def test_a_block_is_the_outside_and_pods_alike_without_its_exceptions(world: World) -> None:
    written = policy(DB, ingress=(rule(peer(None, None, "10.0.0.0/8", "10.0.1.0/24")),))
    assert world.allows([written], "10.9.9.9", "shop/db")
    assert world.allows([written], "shop/web", "shop/db")
    assert not world.allows([written], "10.0.1.77", "shop/db")
    assert not world.allows([written], "evil/web", "shop/db")
    assert not world.allows([written], "192.0.2.1", "shop/db")


def test_another_rule_may_allow_what_a_block_excepts(world: World) -> None:
    written = policy(DB, ingress=(rule(peer(None, None, "10.0.0.0/8", "10.0.1.0/24")), rule(peer(None, None, "10.0.1.7/32"))))
    assert world.allows([written], "10.0.1.7", "shop/db")
    assert not world.allows([written], "10.0.1.8", "shop/db")


def test_a_named_port_behind_a_block_is_each_pods_own_and_only_of_pods_inside(world: World) -> None:
    block = peer(None, None, "10.0.0.0/24")
    written = policy(LabelSelector(), policy_types=("Egress",), egress=(rule(block, ports=(port("http"),)),))
    assert world.allows([written], "shop/bare", "shop/web", 8080)
    assert world.allows([written], "shop/bare", "shop/db", 9090)
    assert not world.allows([written], "shop/bare", "shop/db", 8080)
    assert not world.allows([written], "shop/bare", "evil/web", 8081)
    assert not world.allows([written], "shop/bare", "10.0.0.99", 8080)


def test_denials_name_the_isolating_policy_and_grants_their_rule(world: World) -> None:
    compiled = world.compile(policy(DB, line=40, ingress=(rule(peer(WEB)),)))
    subject = compiled.subjects[1, world.id("shop/db")]
    assert compiled.rule(subject.rule) == Origin("policy.yaml", 40)
    (granting,) = set(compiled.entries.values())
    assert compiled.rule(granting) == Origin("policy.yaml", 9)


def test_every_identity_is_a_subject_in_both_directions(world: World) -> None:
    compiled = world.compile()
    assert set(compiled.subjects) == {(way, identity.number) for way in (0, 1) for identity in world.cluster.identities}


def test_pods_that_no_rule_tells_apart_cost_one_entry() -> None:
    pods = tuple(Pod(f"p{n}", "shop", "n1", {"app": str(n)}, ips=(f"10.0.{n >> 8}.{n & 255}",)) for n in range(500))
    topology = Topology("crowd", ("n1",), (), pods)
    cluster = Cluster.of(topology, identities(topology))
    one_of_them = policy(LabelSelector({"app": "7"}), ingress=(rule(peer(LabelSelector({"app": "8"}), None)),))
    within = policy(EVERYBODY, ingress=(rule(peer(EVERYBODY), ports=(port(80),)),))
    assert len(compile_policies([within], cluster).entries) == 1
    assert len(compile_policies([within, one_of_them], cluster).entries) == 2 + 2 + 1


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (policy(policy_types=("Both",)), "policyTypes: 'Both'"),
        (policy(ingress=(rule(peer()),)), "without podSelector, namespaceSelector or ipBlock"),
        (policy(ingress=(rule(peer(WEB, None, "10.0.0.0/8")),)), "either an ipBlock or selectors"),
        (policy(ingress=(rule(peer(None, None, "10.0.0.1/8")),)), "'10.0.0.1/8' is not a CIDR"),
        (policy(ingress=(rule(peer(None, None, "10.0.0.0/8", "192.0.2.0/24")),)), "except 192.0.2.0/24 does not lie inside"),
        (policy(ingress=(rule(ports=(port(80, "ICMP"),)),)), "protocol 'ICMP' is none of TCP"),
        (policy(ingress=(rule(ports=(port(0),)),)), "ports 0 to 0"),
        (policy(ingress=(rule(ports=(port(80, last=79),)),)), "ports 80 to 79"),
        (policy(ingress=(rule(ports=(port("http", last=90),)),)), "endPort needs a numeric port"),
        (policy(ingress=(rule(ports=(port(None, last=90),)),)), "endPort without port"),
    ],
)
def test_what_cannot_be_enforced_is_refused_by_its_line(world: World, written: NetworkPolicy, words: str) -> None:
    with pytest.raises(PolicyError, match=r"^policy\.yaml:\d+: ") as caught:
        world.compile(written)
    assert words in str(caught.value)
