"""What policies say to sidecars: who is refused at once, whose requests are judged, and who may stay connected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_world import TOPOLOGY, Asked, matching
from test_requests_refused import GET, POLICY, REQUESTS, about, drawn_rules, policy, rule

from harness.dataplanes.port import DataPlaneError
from harness.dataplanes.routed import NO_FRONTS, Fronts
from harness.dataplanes.sidecar_law import Law, law
from harness.envoy.admission import Direction
from harness.envoy.judged_flows import JudgedFlows, admits
from harness.mesh.grants import PolicyError
from harness.model.cilium import CiliumRule, HTTPRule, KafkaRule, L7Rules, PortRule
from harness.model.policy import LabelSelector, NetworkPolicy, Peer, Rule
from harness.model.routing import Routing
from harness.model.service import Service, ServicePort


def ruled(*policies, fronts: Fronts = NO_FRONTS, encrypted: bool = False, judging: bool = False) -> Law:
    return law(policies, fronts, TOPOLOGY, "sidecar", encrypted=encrypted, judging=judging)


def refusing(filters, asked: Asked) -> list[str]:
    """The policies by which filters that deny refuse a connection."""
    return [name for each in filters for name in matching(each["typed_config"]["rules"]["policies"], asked)]


def judged(flows: tuple[JudgedFlows, ...], peer: str, port: int) -> bool:
    return any(
        each.first <= port <= each.last
        and any(peers is None or peers.hold(peer) for peers in each.among)
        and not any(peers.hold(peer) for peers in each.but)
        for each in flows
    )


asked_requests = st.builds(
    Asked, source=st.sampled_from(["client", "other", "outside"]), port=st.integers(79, 83), family=st.sampled_from([4, 6])
)


@given(st.lists(drawn_rules(), max_size=4), st.booleans(), asked_requests)
def test_a_connection_is_refused_judged_or_passed_on(drawn, isolates: bool, asked: Asked) -> None:
    found = ruled(*(policy(each[0], isolates=isolates) for each in drawn), judging=True).pods["shop/server"]
    admitting = [each for each in drawn if about(each, asked)]
    narrowed = bool(admitting) and all(each[3] for each in admitting)
    source = asked.address(asked.source)
    assert judged(found.inbound, source, asked.port) is narrowed
    isolated = isolates and bool(drawn)
    assert bool(refusing(found.connections.ingress, asked)) is (narrowed or (isolated and not admitting))
    assert admits(found.requests.scopes, Direction.INGRESS, source, asked.port) is (bool(admitting) or not isolated)


@given(st.lists(drawn_rules(), max_size=4), st.booleans(), st.sampled_from([4, 6]))
def test_both_ends_read_requests_that_either_judges(drawn, isolates: bool, family: int) -> None:
    found = ruled(*(policy(each[0], isolates=isolates) for each in drawn), judging=True)
    client, server = (TOPOLOGY.pod(f"shop/{app}").ip(family) for app in ("client", "server"))
    for port in range(79, 84):
        assert judged(found.pods["shop/client"].outbound, server, port) is judged(
            found.pods["shop/server"].inbound, client, port
        )


def test_what_the_client_asks_is_judged_by_its_egress_and_read_by_the_server_alike() -> None:
    found = ruled(policy(rule("server", GET), subject="client", way="egress"))
    client, server = (TOPOLOGY.pod(f"shop/{app}").ip(4) for app in ("client", "server"))
    assert judged(found.pods["shop/client"].outbound, server, 80)
    assert judged(found.pods["shop/server"].inbound, client, 80)
    assert not judged(found.pods["shop/server"].inbound, TOPOLOGY.pod("shop/other").ip(4), 80)
    assert found.pods["shop/server"].connections.ingress == ()


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_change_of_what_may_be_asked_leaves_connections_alone(encrypted: bool) -> None:
    """Else it would drain them."""
    one, other = (
        ruled(policy(rule("client", *asked)), encrypted=encrypted).pods["shop/server"].connections
        for asked in ([GET], [HTTPRule(REQUESTS, path="/a"), GET])
    )
    assert one == other


def test_a_pod_reaches_itself_whatever_its_ingress_says() -> None:
    found = ruled(policy(rule("client", GET)), fronts=fronts()).pods["shop/server"]
    assert refusing(found.connections.ingress, Asked("other", "server"))
    assert not refusing(found.connections.ingress, Asked("server", "server"))


def test_egress_refuses_too() -> None:
    found = ruled(policy(rule("server"), subject="client", way="egress")).pods["shop/client"]
    assert refusing(found.connections.egress, Asked("client", "other"))
    assert not refusing(found.connections.egress, Asked("client", "server"))


def test_with_certificates_a_peer_is_its_identity() -> None:
    (only,) = ruled(policy(rule("client")), encrypted=True).pods["shop/server"].connections.ingress
    said = repr(only)
    assert "spiffe://cluster.local/ns/shop/sa/client" in said
    assert repr(TOPOLOGY.pod("shop/client").ip(4)) not in said


def test_network_policies_alone_are_compiled_as_written_and_nothing_is_judged() -> None:
    peer = Peer(POLICY, pod_selector=LabelSelector({"app": "client"}))
    written = NetworkPolicy(POLICY, "k", "shop", LabelSelector({"app": "server"}), ingress=(Rule(POLICY, (peer,)),))
    found = ruled(written)
    assert not found.judging
    (only,) = found.pods["shop/server"].connections.ingress
    assert only["typed_config"]["rules"]["action"] == "ALLOW"
    assert ruled(written, policy(rule("client", GET))).judging


def test_requests_to_services_are_judged_although_no_rule_looks_into_any() -> None:
    found = ruled(fronts=fronts())
    assert found.judging
    assert found.fronts == {"192.0.2.7"}
    assert [host.address for host in found.pods["shop/client"].requests.routed.hosts] == ["192.0.2.7"]
    assert not ruled().judging


def fronts() -> Fronts:
    service = Service(POLICY, "web", "shop", (ServicePort(POLICY, 8080, target_port=80),), {"app": "server"})
    return Fronts(Routing((service,)), {"shop/web": ("192.0.2.7",)})


def test_rules_about_kafka_are_refused_by_their_line() -> None:
    rules = L7Rules(REQUESTS, kafka=(KafkaRule(REQUESTS, topic="t"),))
    about_kafka = CiliumRule(POLICY, ports=(PortRule(POLICY, rule("client", GET).ports[0].ports, rules),))
    with pytest.raises(DataPlaneError, match=r"^requests\.yaml:20: toPorts\.rules\.kafka: sidecar does not judge"):
        ruled(policy(about_kafka))


def test_what_no_policy_may_say_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"requests\.yaml"):
        ruled(policy(CiliumRule(REQUESTS, entities=("nonesuch",))))
