"""A small cluster, and what gates and rule sets say of it."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

from harness.model.cilium import CiliumPolicy, CiliumRule, CiliumSpec, Policy
from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.topology import ContainerPort, Namespace, Pod, Topology
from harness.nft.cluster import Cluster
from harness.nft.compile import compile_policies
from harness.nft.gates import Gates, Match, Way

HERE = Origin("policy.yaml", 9)
ECHO = {4: 8 << 8, 6: 128 << 8}
NODES = ("10.9.0.1", "fd09::1")


def _pod(namespace: str, name: str, number: int, **ports: int) -> Pod:
    declared = tuple(ContainerPort(key, port, "UDP" if key == "dns" else "TCP") for key, port in ports.items())
    ips = (f"10.0.0.{number}", f"fd00::{number}")
    return Pod(name, namespace, "n1", {"app": name}, ports=declared, ips=ips)


TOPOLOGY = Topology(
    "world",
    ("n1",),
    (Namespace("shop", {"team": "web"}), Namespace("evil", {"team": "other"})),
    (
        _pod("shop", "web", 1, http=8080),
        _pod("shop", "db", 2, http=9090, sql=5432, dns=53),
        _pod("evil", "web", 3, http=8081),
    ),
)


def cluster() -> Cluster:
    return Cluster.of(TOPOLOGY, NODES)


def compiled(*policies: Policy) -> Gates:
    return compile_policies(policies, cluster())


def allows(
    policies: Sequence[Policy], source: str, destination: str, port: int = 80, protocol: str = "tcp", family: int = 4
) -> bool:
    """Whether both ends let a flow through. Ends are pods or addresses."""
    gates = compiled(*policies)
    address = {end: TOPOLOGY.pod(end).ip(family) if "/" in end else end for end in (source, destination)}
    return all(
        _passes(gates, subject, way, address[peer], port, protocol)
        for subject, way, peer in ((source, Way.EGRESS, destination), (destination, Way.INGRESS, source))
    )


def _passes(gates: Gates, subject: str, way: Way, peer: str, port: int, protocol: str) -> bool:
    gate = gates.get((subject, way))
    if gate is None:
        return True
    if any(_fits(match, peer, port, protocol) for match in gate.denies):
        return False
    return gate.isolated_by is None or any(_fits(match, peer, port, protocol) for match in gate.allows)


def _fits(match: Match, peer: str, port: int, protocol: str) -> bool:
    address = ip_address(peer)
    return (
        any(first <= int(address) <= last for first, last in match.peers.of(address.version))
        and match.protocol in (None, protocol)
        and (match.ports is None or any(first <= port <= last for first, last in match.ports))
    )


def spec(app: str | None = None, **fields: object) -> CiliumSpec:
    """For the pods called ``app``, or all."""
    chosen = LabelSelector({"app": app} if app else {})
    return CiliumSpec(Origin("policy.yaml", 3), chosen, **fields)  # type: ignore[arg-type]


def policy(*specs: CiliumSpec, namespace: str | None = "shop") -> CiliumPolicy:
    return CiliumPolicy(Origin("policy.yaml", 1), "p", namespace, specs)


def rule(**fields: object) -> CiliumRule:
    return replace(CiliumRule(HERE), **fields)  # type: ignore[arg-type]
