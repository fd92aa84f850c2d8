"""NetworkPolicy as these rules read it."""

import pytest
from rules_world import HERE, allows, compiled

from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Requirement, Rule
from harness.nft.errors import PolicyError
from harness.nft.gates import Way

ALL = LabelSelector()


def written(selector: LabelSelector = ALL, **fields: object) -> NetworkPolicy:
    return NetworkPolicy(Origin("policy.yaml", 1), "p", "shop", selector, **fields)  # type: ignore[arg-type]


def to(*peers: Peer, port: int | str | None = None, protocol: str | None = None, last: int | None = None) -> Rule:
    ports = (PolicyPort(HERE, protocol, port, last),) if port is not None or protocol else None
    return Rule(HERE, peers or None, ports)


def test_ingress_is_isolated_by_default_and_egress_only_by_rules() -> None:
    assert not allows([written()], "evil/web", "shop/db")
    assert allows([written(egress=())], "shop/db", "evil/web")
    assert not allows([written(egress=(to(port=1),))], "shop/db", "evil/web")


def test_policy_types_overrule_the_default() -> None:
    only = written(policy_types=("Egress",))
    assert allows([only], "evil/web", "shop/db")
    assert not allows([only], "shop/db", "evil/web")


def test_a_namespace_is_known_by_the_label_that_kubernetes_gives_it() -> None:
    evil = Peer(HERE, namespace_selector=LabelSelector({"kubernetes.io/metadata.name": "evil"}))
    assert allows([written(ingress=(to(evil),))], "evil/web", "shop/db")
    assert not allows([written(ingress=(to(evil),))], "shop/web", "shop/db")


def test_both_selectors_of_a_peer_must_hold_and_pods_are_of_the_policys_namespace() -> None:
    web = LabelSelector({"app": "web"})
    assert not allows([written(ingress=(to(Peer(HERE, web)),))], "evil/web", "shop/db")
    both = Peer(HERE, web, LabelSelector({"team": "other"}))
    assert allows([written(ingress=(to(both),))], "evil/web", "shop/db")
    assert not allows([written(ingress=(to(both),))], "shop/web", "shop/db")


@pytest.mark.parametrize(
    ("operator", "values", "selected"),
    [("In", ("web",), True), ("In", (), False), ("NotIn", ("web",), False), ("Exists", (), True), ("DoesNotExist", (), False)],
)
def test_expressions_choose_by_their_operator(operator: str, values: tuple[str, ...], selected: bool) -> None:
    chosen = LabelSelector(match_expressions=(Requirement("app", operator, values),))
    assert allows([written(chosen)], "evil/web", "shop/web") is not selected


def test_a_missing_label_is_not_in_any_list() -> None:
    chosen = LabelSelector(match_expressions=(Requirement("absent", "NotIn", ("x",)),))
    assert not allows([written(chosen)], "evil/web", "shop/web")


def test_a_block_takes_pods_too_but_not_its_exceptions() -> None:
    block = Peer(HERE, ip_block=IPBlock("10.0.0.0/24", ("10.0.0.3/32",)))
    policy = written(ingress=(to(block),))
    assert allows([policy], "shop/web", "shop/db")
    assert not allows([policy], "evil/web", "shop/db")
    assert not allows([policy], "shop/web", "shop/db", family=6)


def test_a_named_port_is_the_pods_own_on_ingress_and_each_destinations_on_egress() -> None:
    inwards = written(ingress=(to(port="http"),))
    assert allows([inwards], "evil/web", "shop/db", 9090)
    assert not allows([inwards], "evil/web", "shop/db", 8080)
    outwards = written(policy_types=("Egress",), egress=(to(port="http"),))
    assert allows([outwards], "shop/db", "evil/web", 8081)
    assert not allows([outwards], "shop/db", "evil/web", 9090)
    assert not allows([outwards], "shop/db", "192.0.2.1", 8081)
    assert not allows([written(ingress=(to(port="dns"),))], "evil/web", "shop/db", 53), "declared for UDP"


def test_a_range_includes_both_its_ends() -> None:
    policy = written(ingress=(to(port=80, last=90),))
    assert [allows([policy], "evil/web", "shop/db", port) for port in (79, 80, 90, 91)] == [False, True, True, False]


def test_rules_with_ports_allow_no_icmp_and_those_without_do() -> None:
    assert not allows([written(ingress=(to(protocol="UDP"),))], "evil/web", "shop/db", 2048, "icmp")
    assert allows([written(ingress=(to(),))], "evil/web", "shop/db", 2048, "icmp")


def test_the_first_policy_that_isolates_is_named() -> None:
    second = NetworkPolicy(Origin("later.yaml", 7), "q", "shop", ALL)
    gate = compiled(written(), second)["shop/db", Way.INGRESS]
    assert gate.isolated_by == Origin("policy.yaml", 1)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (to(protocol="SCTP"), "protocol SCTP"),
        (to(port="http", last=9), "endPort"),
        (to(port=9, last=8), "ports 9 to 8"),
        (to(Peer(HERE)), "says nothing"),
        (to(Peer(HERE, ALL, ip_block=IPBlock("10.0.0.0/8"))), "beside a selector"),
        (to(Peer(HERE, ip_block=IPBlock("10.0.0.1/8"))), "host bits"),
    ],
)
def test_what_cannot_be_enforced_is_refused_by_its_line(broken: Rule, words: str) -> None:
    with pytest.raises(PolicyError, match=rf"policy\.yaml:9: .*{words}"):
        compiled(written(ingress=(broken,)))
