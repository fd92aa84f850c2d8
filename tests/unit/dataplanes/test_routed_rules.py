"""What is refused of requests to Services: what would be, were their backends asked directly."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_world import CLUSTER, TOPOLOGY, Asked, matching, refuses, scopes_of

from harness.dataplanes.routed import Fronts, Routed, routed
from harness.dataplanes.scopes import Ground
from harness.envoy.admission import Direction
from harness.envoy.service_backends import Backend
from harness.mesh.grants import EGRESS, INGRESS
from harness.mesh.policy import granted
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, HeaderMatch, HTTPRule, L7Rules, PortRule
from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.routing import Routing
from harness.model.service import Service, ServicePort

HERE = Origin("m.yaml", 7)
SERVICE = Service(HERE, "web", "shop", (ServicePort(HERE, 8080, target_port=80),), {"app": "server"})
ADDRESSES = {"shop/web": ("192.0.2.7", "2001:db8::7")}
"""What request_world calls ``outside``: in none of the policies below."""


def rule(peer: str | None, first: int, *requests: HTTPRule) -> CiliumRule:
    rules = L7Rules(HERE, http=requests) if requests else None
    ports = (PortRule(HERE, (CiliumPort(HERE, str(first), first + 1, "TCP"),), rules),)
    return CiliumRule(HERE, ports=ports, **({"endpoints": (LabelSelector({"app": peer}),)} if peer else {}))


def policy(subject: str, way: str, *rules: CiliumRule, denies: bool = False) -> CiliumPolicy:
    fields = {f"{way}_deny" if denies else way: rules}
    return CiliumPolicy(HERE, "p", "shop", (CiliumSpec(HERE, LabelSelector({"app": subject}), **fields),))


def world(policies: list[CiliumPolicy], node: str = "n1") -> Routed:
    pods = [pod for pod in TOPOLOGY.pods if pod.node == node]
    return routed(Fronts(Routing((SERVICE,)), ADDRESSES), TOPOLOGY, pods, granted(policies, CLUSTER), CLUSTER)


def refused(found: Routed, asked: Asked) -> list[str]:
    """The policies that refuse a request to the Service which goes to ``asked.destination``."""
    backend = Backend(asked.address(asked.destination), asked.port)
    rules = found.rules(3).of(backend)
    as_sent = replace(asked, destination="outside", port=8080)
    return [name for direction in Direction for name in matching(rules.refused[direction], as_sent)]


some_requests = st.lists(
    st.sampled_from([HTTPRule(HERE, method="GET"), HTTPRule(HERE, path="/a"), HTTPRule(HERE, headers=("X: 1",))]), max_size=2
)
some_policies = st.builds(
    lambda ends, way, first, requests, denies: policy(
        ends[0], way, rule(ends[1], first, *([] if denies else requests)), denies=denies
    ),
    st.sampled_from([("server", "client"), ("server", "other"), ("client", "server"), ("client", "other"), ("server", None)]),
    st.sampled_from(["ingress", "egress"]),
    st.integers(78, 81),
    some_requests,
    st.sampled_from([False, False, True]),
)


@given(
    st.lists(some_policies, max_size=4),
    st.builds(
        Asked,
        source=st.just("client"),
        family=st.sampled_from([4, 6]),
        method=st.sampled_from(["GET", "PUT"]),
        path=st.sampled_from(["/a", "/b"]),
        headers=st.sampled_from([{}, {"X": "1"}]),
    ),
)
def test_a_request_is_refused_as_if_its_backend_had_been_asked(policies: list[CiliumPolicy], asked: Asked) -> None:
    ends = [("client", EGRESS), ("server", INGRESS)]
    known = [Ground(way, asked.address(end), (80, 80)) for end, way in ends]
    assert bool(refused(world(policies), asked)) is refuses(scopes_of(policies, known), asked)


def test_a_pod_always_reaches_itself() -> None:
    found = world([policy("server", "ingress", rule("other", 80)), policy("server", "egress", rule("other", 80))])
    assert refused(found, Asked("client", "server"))
    assert not refused(found, Asked("server", "server"))


def test_the_rule_that_refuses_can_be_named() -> None:
    found = world([policy("server", "ingress", rule("client", 80, HTTPRule(HERE, method="GET")))])
    (name,) = refused(found, Asked(method="PUT"))
    assert name == "3-10.0.0.2@80-ingress-0"
    assert found.origins(3)[name] == HERE


@pytest.mark.parametrize(("node", "changes"), [("n1", True), ("n2", False)])
def test_headers_are_changed_by_a_backends_rules_on_its_own_node_alone(node: str, changes: bool) -> None:
    """The backend's Envoy changes those of the requests that come from other nodes."""
    adding = HTTPRule(HERE, header_matches=(HeaderMatch("X", "1", "ADD"),))
    found = world([policy("server", "ingress", rule(None, 80, adding))], node)
    assert bool(found.rules(1).of(Backend("10.0.0.2", 80)).headers[Direction.INGRESS]) is changes


def test_without_services_there_is_nothing_to_know() -> None:
    result = granted([policy("server", "ingress", rule("client", 80))], CLUSTER)
    assert routed(Fronts(Routing(), {}), TOPOLOGY, TOPOLOGY.pods, result, CLUSTER) == Routed()
