"""A small cluster, and what a set of policies says of it."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from harness.mesh.grants import EGRESS, INGRESS, Cluster
from harness.mesh.identity import identities
from harness.mesh.layout import ENTRY_DENIES, ICMP_PROTOCOLS, PEER_IS_CIDR, PROTOCOLS, RULE_REQUESTS
from harness.mesh.policy import SUBJECT_OPEN, Compiled, Entry, compile_policies, granted, tables_of
from harness.model.cilium import Policy
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

ALLOW_SHAPES, DENY_SHAPES = 0x1FF << 2, 7 << 11


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

    def compile(self, *policies: Policy) -> Compiled:
        return compile_policies(policies, self.cluster)

    def allows(
        self,
        policies: Sequence[Policy],
        source: str,
        destination: str,
        port: int = 80,
        protocol: str = "TCP",
        family: int = 4,
    ) -> bool:
        """What the kernel will answer: a model of bpf/policy.h over the compiled tables.

        Pods by name, others by address; of ICMP the port is the type.
        """
        return "dropped" not in self._answers(self.compile(*policies), source, destination, port, protocol, family)

    def answer(self, policies: Sequence[Policy], source: str, destination: str, port: int = 80, family: int = 4) -> str:
        """The same of TCP where somebody looks into requests: dropped, proxied, or allowed past the proxy."""
        compiled = tables_of(granted(policies, self.cluster), self.cluster)
        answers = self._answers(compiled, source, destination, port, "TCP", family)
        return "dropped" if "dropped" in answers else "proxied" if "proxied" in answers else "allowed"

    def _answers(self, compiled: Compiled, source: str, destination: str, port: int, protocol: str, family: int) -> list[str]:
        """Of each end that is a pod."""
        ends = [self._end(compiled, name, family) for name in (source, destination)]
        what = self._port(compiled, port, protocol, family)
        judged = ((EGRESS, ends), (INGRESS, ends[::-1]))
        return [self._judge(compiled, direction, subject[0], peer, what) for direction, (subject, peer) in judged if subject[0]]

    def _end(self, compiled: Compiled, name: str, family: int) -> tuple[int, int]:
        """Identity (0 outside) and CIDR class."""
        if "/" in name:
            return self.id(name), compiled.cidrs.holding_pod(ip_address(self.topology.pod(name).ip(family)))
        return 0, compiled.cidrs.holding(ip_address(name))

    @staticmethod
    def _port(compiled: Compiled, port: int, protocol: str, family: int) -> tuple[int, int]:
        """Class and protocol."""
        if protocol == "ICMP":
            return port + 1, ICMP_PROTOCOLS[family]
        spans = compiled.ports.spans.get(protocol, [])
        return next((number for first, last, number in spans if first <= port <= last), 0), PROTOCOLS[protocol]

    @staticmethod
    def _judge(compiled: Compiled, direction: int, subject: int, peer: tuple[int, int], port: tuple[int, int]) -> str:
        known = compiled.subjects[direction, subject]
        ports = [port] if port[0] else []
        ports += [(0, port[1]), (0, 0)]
        peer_class = compiled.peers.get(peer[0], 0)
        peers = [0, *([peer_class] if peer_class else []), *([PEER_IS_CIDR | peer[1]] if peer[1] else [])]
        keys = [(number, what) for number in peers for what in ports]

        def found(way: int, bits: int) -> list[int]:
            entries = [Entry(known.number, who, *what, way) for who, what in keys]
            return [compiled.entries[entry] for entry in entries if entry in compiled.entries] if known.shapes & bits else []

        if found(direction | ENTRY_DENIES, DENY_SHAPES):
            return "dropped"
        allowing = found(direction, ALLOW_SHAPES)
        if any(not rule & RULE_REQUESTS for rule in allowing):
            return "allowed"
        if allowing:
            return "proxied"
        return "allowed" if known.shapes & SUBJECT_OPEN else "dropped"
