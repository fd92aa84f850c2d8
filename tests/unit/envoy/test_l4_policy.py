"""Policies as filters of a node's Envoy for TCP, and what those say of connections that are open: as the oracle says."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from harness.envoy.l4_policy import arriving_locally, pod_filters
from harness.envoy.rbac_verdict import Connection, allows
from harness.envoy.selection import Selection
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy, Peer, Rule
from harness.model.topology import ContainerPort, Namespace, Pod, Topology
from harness.oracle.direct import answer
from harness.search.policies import Lines, network_policies, several
from harness.search.vocabulary import Vocabulary

AT = Origin("policy.yaml", 1)
PORTS = (80, 81, 8080)
WORDS = Vocabulary(
    namespaces=("shop", "lab"),
    keys=("app", "tier"),
    values=("a", "b"),
    ports=PORTS,
    names=("web",),
    blocks=(("0.0.0.0/0", "10.0.0.0/30"), ("10.0.0.0/30", "10.0.0.1/32"), ("fd00::/16", "fd00::2/128")),
    outside=(),
    icmp_types={None: (8,), "IPv4": (8,), "IPv6": (128,)},
    requests=False,
)


@composite
def topologies(draw: DrawFn) -> Topology:
    pods = []
    for number in range(1, 5):
        web = ContainerPort("web", draw(st.sampled_from((80, 8080))))
        labels = draw(st.dictionaries(st.sampled_from(WORDS.keys), st.sampled_from(WORDS.values)))
        namespace = draw(st.sampled_from(WORDS.namespaces))
        pods.append(Pod(f"p{number}", namespace, "n1", labels, ports=(web,), ips=(f"10.0.0.{number}", f"fd00::{number}")))
    return Topology("generated", ("n1",), (Namespace("shop", {"app": "a"}), Namespace("lab")), tuple(pods))


def connections(topology: Topology) -> list[tuple[Flow, Connection]]:
    return [
        (Flow(one.ref, other.ref, port, family=family), Connection(one.ip(family), other.ip(family), port))
        for one in topology.pods
        for other in topology.pods
        for port in PORTS
        for family in (4, 6)
        if one is not other
    ]


@given(topologies(), st.data())
@settings(max_examples=40)
def test_connections_on_one_node_are_judged_as_the_oracle_judges_them(topology: Topology, data: st.DataObject) -> None:
    policies: Sequence[NetworkPolicy] = data.draw(several(network_policies(WORDS, Lines()), 1, 4))
    selection = Selection(topology)
    judged = {pod.ref: pod_filters(pod, policies, selection) for pod in topology.pods}
    locally = arriving_locally([(pod, judged[pod.ref]) for pod in topology.pods])
    for flow, connection in connections(topology):
        wanted = answer(flow, policies, topology).verdict is Verdict.FORWARDED
        egress = judged[flow.source].egress
        assert allows([*egress, *locally], connection) is wanted, f"{flow}, in one filter for all destinations"
        assert allows([*egress, *judged[flow.destination].ingress_by_address], connection) is wanted, str(flow)


def test_where_no_pod_is_isolated_nothing_judges_what_arrives() -> None:
    pod = Pod("a", "shop", "n1", {"app": "a"}, ips=("10.0.0.1",))
    nobody = NetworkPolicy(AT, "p", "shop", LabelSelector({"app": "b"}))
    selection = Selection(Topology("t", ("n1",), (Namespace("shop"),), (pod,)))
    assert arriving_locally([(pod, pod_filters(pod, [nobody], selection))]) == []


def test_other_nodes_pods_are_known_by_certificate_and_own_ones_by_address() -> None:
    pods = [Pod(name, "shop", "n1", {"app": name}, ips=(f"10.0.0.{number}",)) for number, name in enumerate("ab", 1)]
    selection = Selection(Topology("t", ("n1",), (Namespace("shop"),), tuple(pods)))
    from_b = Rule(AT, (Peer(AT, pod_selector=LabelSelector({"app": "b"})),))
    found = pod_filters(pods[0], [NetworkPolicy(AT, "p", "shop", LabelSelector({"app": "a"}), ingress=(from_b,))], selection)
    principals = [
        policy["principals"]
        for filters in (found.ingress, found.ingress_by_address)
        for policy in filters[0]["typed_config"]["rules"]["policies"].values()
    ]
    assert principals == [
        [{"authenticated": {"principal_name": {"exact": "spiffe://cluster.local/ns/shop/sa/b"}}}],
        [{"direct_remote_ip": {"address_prefix": "10.0.0.2", "prefix_len": 32}}],
    ]
    with pytest.raises(ValueError, match="do not tell whether authenticated is met"):
        allows(found.ingress, Connection("10.0.0.2", "10.0.0.1", 80))
