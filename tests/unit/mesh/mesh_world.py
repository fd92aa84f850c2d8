"""A small cluster, and what a set of policies says of it."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from harness.mesh.grants import EGRESS, INGRESS, Cluster
from harness.mesh.identity import identities
from harness.mesh.layout import PEER_IS_CIDR, PROTOCOLS
from harness.mesh.policy import SUBJECT_OPEN, Compiled, Entry, compile_policies
from harness.model.policy import NetworkPolicy
from harness.model.topology import ContainerPort, Namespace, Pod, Topology


class World:
    """Three pods of shop and one of evil, and what a set of policies says of them."""

    def __init__(self) -> None:
        self.topology = Topology(
            name="world",
            nodes=("n1", "n2"),
            namespaces=(Namespace("shop", {"team": "web"}), Namespace("evil", {"team": "other"})),
            pods=(
                self._pod("shop", "web", {"app": "web", "tier": "front"}, "10.0.0.1", "fd00::1", {"http": 8080}),
                self._pod("shop", "db", {"app": "db"}, "10.0.0.2", "fd00::2", {"sql": 5432, "http": 9090}),
                self._pod("shop", "bare", {}, "10.0.0.3", "fd00::3", {}),
                self._pod("evil", "web", {"app": "web"}, "10.0.1.1", "fd00:1::1", {"http": 8081}),
            ),
        )
        self.identities = identities(self.topology)
        self.cluster = Cluster.of(self.topology, self.identities)

    @staticmethod
    def _pod(namespace: str, name: str, labels: Mapping[str, str], v4: str, v6: str, ports: Mapping[str, int]) -> Pod:
        declared = tuple(ContainerPort(called, port) for called, port in ports.items())
        return Pod(name, namespace, "n1", labels, ports=declared, ips=(v4, v6))

    def id(self, ref: str) -> int:
        return self.identities[ref].number

    def compile(self, *policies: NetworkPolicy) -> Compiled:
        return compile_policies(policies, self.cluster)

    def allows(
        self, policies: Sequence[NetworkPolicy], source: str, destination: str, port: int = 80, protocol: str = "TCP"
    ) -> bool:
        """What the kernel will answer: a model of bpf/policy.h over the compiled tables. Pods by name, others by address."""
        compiled = self.compile(*policies)
        ends = [self._end(compiled, name) for name in (source, destination)]
        for direction, (subject, peer) in ((EGRESS, ends), (INGRESS, ends[::-1])):
            if subject[0] and not self._judge(compiled, direction, subject[0], peer, port, protocol):
                return False
        return True

    def _end(self, compiled: Compiled, name: str) -> tuple[int, int]:
        """Identity (0 outside) and CIDR class."""
        if "/" in name:
            return self.id(name), compiled.cidrs.holding(ip_address(self.topology.pod(name).ip(4)))
        return 0, compiled.cidrs.holding(ip_address(name))

    @staticmethod
    def _judge(compiled: Compiled, direction: int, subject: int, peer: tuple[int, int], port: int, protocol: str) -> bool:
        known = compiled.subjects[direction, subject]
        if known.shapes & SUBJECT_OPEN:
            return True
        spans = compiled.ports.spans.get(protocol, [])
        port_class = next((number for first, last, number in spans if first <= port <= last), 0)
        number = PROTOCOLS.get(protocol, 1)
        ports = [(port_class, number)] if port_class else []
        ports += [(0, number), (0, 0)]
        peer_class = compiled.peers.get(peer[0], 0)
        peers = [0, *([peer_class] if peer_class else []), *([PEER_IS_CIDR | peer[1]] if peer[1] else [])]
        return any(Entry(known.number, who, *what, direction) in compiled.entries for who in peers for what in ports)
