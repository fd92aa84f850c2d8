"""Policies as nftables rules of each node: the third opinion on what a policy means. A reference, not a mesh."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from itertools import count

from harness.dataplanes.port import (
    NO_ROUTING,
    Attachment,
    Component,
    DataPlaneError,
    Feature,
    No,
    NotConverged,
    RestartKind,
    Revision,
    Support,
    Yes,
    unrouted,
)
from harness.lab.conntrack import forget_connections
from harness.lab.port import Lab, LabError, LabNode, LabPod
from harness.model.cilium import Policy
from harness.model.flow import Evidence, Flow, Verdict, is_pod
from harness.model.routing import Routing
from harness.model.topology import Pod
from harness.nft.cluster import Cluster
from harness.nft.compile import compile_policies
from harness.nft.errors import PolicyError
from harness.nft.ruleset import DROPS, TABLE, Port, Reason, render

_DROPPED = Yes(denies=Verdict.DROPPED)
_NO_REQUESTS = "packets are judged by addresses and ports; requests are not parsed"
_SUPPORT: dict[Feature, Support] = {
    Feature.POLICY_TCP: _DROPPED,
    Feature.POLICY_UDP: _DROPPED,
    Feature.POLICY_ICMP: _DROPPED,
    Feature.POLICY_CIDR: _DROPPED,
    Feature.POLICY_CILIUM: _DROPPED,
    Feature.POLICY_DENY: _DROPPED,
    Feature.IPV6: Yes(),
    Feature.REVOKE_OPEN_CONNECTIONS: _DROPPED,
    Feature.ENCRYPTION: No("packets between nodes are sent as they are"),
    Feature.POLICY_HTTP: No(_NO_REQUESTS),
    Feature.POLICY_KAFKA: No(_NO_REQUESTS),
    Feature.L7_HTTP: No(_NO_REQUESTS),
    Feature.L7_ROUTING: No(_NO_REQUESTS),
    Feature.L7_GATEWAYS: No(_NO_REQUESTS),
    Feature.L7_TRAFFIC: No(_NO_REQUESTS),
    Feature.HOT_RESTART: No("there is no process to restart"),
    Feature.SAME_NODE_FAST_PATH: No("every packet passes its node's forwarding"),
}
_PROTOCOLS = {"TCP": {4: 6, 6: 6}, "UDP": {4: 17, 6: 17}, "ICMP": {4: 1, 6: 58}}
"""Numbers of https://www.iana.org/assignments/protocol-numbers/, by family."""

_TEXTS = {
    "spoofed_source": "the source address is not the sending pod's",
    "no_connection": "connection tracking knows no connection of this packet",
    "stale_icmp_error": "an ICMP error about a connection that these rules have not let through",
    "default_deny": "isolated, and no rule allows it",
    "policy_deny": "a rule denies it",
}
_MARKS = 1 << 32
_Key = tuple[str, str, int, int]
"""How the sets of drops list a flow: both addresses, the protocol's number, the port."""


class NftablesAttachment:
    """The rules in force on a lab."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._nodes = [ip for node in lab.nodes for ip in _own_addresses(node)]
        self._policies: Sequence[Policy] = ()
        self._revisions = count(1)
        self._first_mark = (
            time.time_ns() // 1_000_000
        )  # so that marks of connections that an earlier attachment saw mean nothing
        self._reasons: dict[str, tuple[Reason, ...]] = {}
        self._remembered: dict[_Key, tuple[str, Reason]] = {}

    def apply(self, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
        unrouted(routing, "nftables")
        started = time.monotonic()
        try:
            gates = compile_policies(policies, Cluster.of(self._lab.topology, self._nodes))
        except PolicyError as error:
            raise NotConverged(f"nftables: the policies are not enforced: {error}") from error
        number = next(self._revisions)
        mark = (self._first_mark + number) % (_MARKS - 1) + 1
        for node in self._lab.nodes:
            rules = render([Port(pod.pod, pod.host_ifname) for pod in node.pods], gates, mark, number)
            try:
                _nft(node, f"delete table {TABLE}\n{rules.text}")
            except DataPlaneError as error:
                raise NotConverged(str(error)) from error
            self._reasons[node.name] = rules.reasons
        self._remembered.clear()
        self._policies = policies
        return Revision(number, time.monotonic() - started)

    def pods_changed(self, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
        """New rules first; then nothing renews what connection tracking knows of the removed pods, and it is forgotten."""
        started = time.monotonic()
        revision = self.apply(self._policies)
        addresses = [ip for pod in removed for ip in pod.ips]
        try:
            for node in self._lab.nodes:
                with node.entered():
                    forget_connections(addresses)
        except (LabError, OSError) as error:
            raise NotConverged(f"nftables: connections of removed pods are still known: {error}") from error
        return Revision(revision.number, time.monotonic() - started)

    def evidence(self, flow: Flow) -> Evidence | None:
        """Of the revision in force: a change of policy forgets what was dropped before, and nothing else does."""
        key = self._key(flow)
        if key not in self._remembered:
            self._remember(flow.family)
        if key not in self._remembered:
            return None
        node, reason = self._remembered[key]
        way = f"{reason.way} " if reason.way else ""
        detail = f"{way}on node {node}: {_TEXTS[reason.code]}"
        return Evidence("nftables", reason.code, str(reason.origin) if reason.origin else None, detail)

    def _remember(self, family: int) -> None:
        """Read the sets of drops: all at once, as a flow that is asked about has many neighbours."""
        for node in reversed(self._lab.nodes):
            try:
                listed = node.run(["nft", "-j", "-n", "list", "set", *TABLE.split(), f"{DROPS}{family}"]).stdout
            except LabError as error:
                raise DataPlaneError(f"nftables: the drops of node {node.name} cannot be read: {error}") from error
            marks: dict[_Key, int] = {}
            for source, destination, protocol, port, mark in _elements(listed):
                key = (str(source), str(destination), int(protocol), int(port))
                marks[key] = max(int(mark), marks.get(key, 0))
            for key, mark in marks.items():
                self._remembered[key] = node.name, self._reasons[node.name][mark - 1]

    def _key(self, flow: Flow) -> _Key:
        topology = self._lab.topology
        ends = [topology.pod(end).ip(flow.family) if is_pod(end) else end for end in (flow.source, flow.destination)]
        source, destination = (str(ip_address(end)) for end in ends)
        port = flow.port if flow.icmp is None else flow.icmp.type << 8 | flow.icmp.code
        return source, destination, _PROTOCOLS[flow.protocol][flow.family], port

    def components(self) -> Sequence[Component]:
        """Kernel rules only, without a process: their cost shows in the nodes' packet handling."""
        return (Component("rules"),)

    def restart(self, component: str, how: RestartKind) -> None:
        raise DataPlaneError(f"nftables has no process that a {how} restart of {component!r} could stop")


class Nftables:
    """Sets and rules in the forward hook of every node."""

    name = "nftables"
    title = "nftables reference"

    def supports(self, feature: Feature) -> Support:
        return _SUPPORT[feature]

    @contextmanager
    def attach(self, lab: Lab) -> Iterator[Attachment]:
        with ExitStack() as undo:
            for node in lab.nodes:
                _nft(node, f"create table {TABLE}")
                undo.callback(_nft, node, f"delete table {TABLE}")
            attachment = NftablesAttachment(lab)
            attachment.apply(())
            yield attachment


def _nft(node: LabNode, commands: str) -> None:
    """All of ``commands`` in one transaction, or none. Raises DataPlaneError."""
    try:
        node.run(["nft", "-f", "-"], stdin=commands)
    except LabError as error:
        raise DataPlaneError(f"nftables: node {node.name} did not take the rules: {error}") from error


def _own_addresses(node: LabNode) -> list[str]:
    links = json.loads(node.run(["ip", "-json", "address", "show", "scope", "global"]).stdout)
    return [entry["local"] for link in links for entry in link.get("addr_info", ()) if "local" in entry]


def _elements(listed: str) -> Iterator[list[str | int]]:
    """The concatenations in what ``nft -j list set`` printed."""
    for entry in json.loads(listed)["nftables"]:
        for element in entry.get("set", {}).get("elem", ()):
            inner = element["elem"]["val"] if "elem" in element else element
            yield inner["concat"]


DATA_PLANES = (Nftables(),)
