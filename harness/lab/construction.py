"""Making what a record names, in an order in which every step finds what it needs."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from harness.lab import echo, links
from harness.lab.addressing import NodePlan, Plan, Wire
from harness.lab.namespaces import NETNS, enter, enter_new, entered, mount, name_own, prepare
from harness.lab.netlink import Netlink, moved
from harness.lab.port import LabError
from harness.lab.record import LabRecord, namespace_name
from harness.model.topology import Pod

MACHINE = Path("/proc/1/ns/net")
"""The network namespace that this machine began with."""


class Cancelled(Exception):
    """Building was asked to stop."""


class Construction:
    """Builds one lab; ``build`` needs a thread of its own, since it moves from namespace to namespace."""

    def __init__(self, record: LabRecord, plan: Plan, here: str | None = None) -> None:
        """With ``here`` the node of that name alone is made; see ``netns.up``."""
        self._record = record
        self._plan = plan
        self._nodes = [node for node in plan.nodes if here in (None, node.name)]
        self._stop = Event()
        self._initial: dict[str, str] = {}  # what a new namespace starts with, read once: most need no change

    def stop(self) -> None:
        """Have ``build`` raise Cancelled at its next step."""
        self._stop.set()

    def build(self) -> None:
        """Make everything and return when every pod answers; raises LabError, OSError or Cancelled with the lab half made."""
        self._folders()
        prepare()
        with ExitStack() as stack:
            sockets, namespaces = {}, {}
            for node in self._nodes:
                path = self._namespace(namespace_name(self._record.name, node.name), links.NODE_SYSCTLS)
                namespaces[node.name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                stack.callback(os.close, namespaces[node.name])
                sockets[node.name] = stack.enter_context(Netlink())
                sockets[node.name].send(links.node_messages(node))
            self._wires(sockets, namespaces)
            for node in self._nodes:
                self._pods(node, namespaces[node.name])
                sockets[node.name].send(links.port_routes(node))
        for node in self._nodes:
            self._await(node)

    def build_pods(self, node: NodePlan) -> None:
        """Make the pods of ``node`` beside those that are there, not connected yet: the node's ends of their veths are down."""
        for port in node.ports:
            (Path(self._record.cgroup) / node.name / _folder(port.pod)).mkdir()
        namespace = os.open(NETNS / namespace_name(self._record.name, node.name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._pods(node, namespace)
        finally:
            os.close(namespace)

    def _folders(self) -> None:
        record = self._record
        (record.files / "logs").mkdir(parents=True)
        record.bpffs.mkdir()
        mount(b"bpf", record.bpffs, b"bpf")
        top = Path(record.cgroup)
        top.mkdir()
        for node in self._nodes:
            (top / node.name).mkdir()
            for port in (*node.ports, *node.outside):
                (top / node.name / _folder(port.pod)).mkdir()

    def _namespace(self, name: str, sysctls: dict[str, str]) -> Path:
        """Make a namespace and stay in it."""
        if self._stop.is_set():
            raise Cancelled
        enter_new()
        path = name_own(name)
        for key in sysctls.keys() - self._initial.keys():
            self._initial[key] = Path("/proc/sys", key).read_text().strip()
        for key, value in sysctls.items():
            if self._initial[key] != value:
                Path("/proc/sys", key).write_text(value)
        return path

    def _wires(self, sockets: dict[str, Netlink], namespaces: dict[str, int]) -> None:
        nodes = {node.name: node for node in self._plan.nodes}
        for index, here in enumerate(self._nodes):
            sockets[here.name].send(
                [links.wire_message(here, there, namespaces[there.name]) for there in self._nodes[index + 1 :]]
            )
        for node in self._nodes:
            self._adopt([wire for wire in node.wires if wire.peer not in namespaces], namespaces[node.name])
            sockets[node.name].send(links.wire_routes(node, nodes))

    def _adopt(self, wires: Sequence[Wire], namespace: int) -> None:
        """Wires to other machines: this one's interfaces, found by their MAC addresses. They go back when the lab goes."""
        if not wires:
            return
        with entered(MACHINE), Netlink() as socket:
            found = {path.joinpath("address").read_text().strip(): path for path in Path("/sys/class/net").iterdir()}
            for wire in wires:
                if wire.mac not in found:
                    raise LabError(f"this machine has no interface {wire.mac}, which is the wire to node {wire.peer}")
                ifindex = int(found[wire.mac].joinpath("ifindex").read_text())
                socket.send([moved(ifindex, namespace, wire.ifname, wire.ifindex)])

    def _pods(self, node: NodePlan, namespace: int) -> None:
        for port in (*node.ports, *node.outside):
            self._namespace(namespace_name(self._record.name, node.name, port.pod), links.POD_SYSCTLS)
            with Netlink() as socket:
                socket.send(links.pod_messages(port, namespace))

    def _await(self, node: NodePlan) -> None:
        others = [address for other in self._plan.nodes if other is not node for address in other.addresses.values()]
        pods = [ip for port in (*node.ports, *node.outside) for ip in port.pod.ips]
        enter(NETNS / namespace_name(self._record.name, node.name))
        echo.await_answers([*pods, *others], asked_by=node.name)


def _folder(pod: Pod) -> str:
    return f"{pod.namespace}_{pod.name}"
