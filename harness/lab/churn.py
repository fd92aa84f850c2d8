"""Pods that come and go while their lab is up. Each step runs in a thread of its own, which it leaves in some namespace."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.lab import cgroups, echo, links
from harness.lab.addressing import NodePlan, Plan, Port, plan
from harness.lab.construction import Construction
from harness.lab.namespaces import NETNS, enter
from harness.lab.netlink import Message, Netlink, no_link
from harness.lab.port import LabError
from harness.lab.record import LabRecord, namespace_name
from harness.lab.removal import remove_pod
from harness.model.topology import Pod


def with_pod(record: LabRecord, planned: Plan, pod: Pod) -> tuple[LabRecord, Plan]:
    """The record and the plan of a lab that has ``pod`` too.

    Raises LabError where it cannot be laid out, or what it would be called exists: what a record names is the lab's own.
    """
    numbers = {port.pod.ref: port.number for node in planned.nodes for port in node.ports}
    number = max(record.next_number, 1 + max(numbers.values(), default=-1))
    laid = replace(planned.topology, pods=(*planned.topology.pods, pod))
    after = plan(laid, {**numbers, pod.ref: number})
    namespace = namespace_name(record.name, pod.node, pod)
    for path in (NETNS / namespace, _cgroup(record, pod)):
        if path.exists():
            raise LabError(f"pod {pod.ref} cannot be made: {path} exists already and is not this lab's; remove it")
    kept = {port.pod.ref: port.number for node in after.nodes for port in node.ports}
    namespaces = (*record.namespaces, namespace)
    return replace(record, topology=after.topology, namespaces=namespaces, numbers=kept, next_number=number + 1), after


def without_pod(record: LabRecord, planned: Plan, pod: Pod) -> tuple[LabRecord, Plan]:
    """The record and the plan of a lab that has lost ``pod``."""
    numbers = {port.pod.ref: port.number for node in planned.nodes for port in node.ports}
    following = max(record.next_number, 1 + max(numbers.values()))
    del numbers[pod.ref]
    after = plan(replace(planned.topology, pods=tuple(each for each in planned.topology.pods if each.ref != pod.ref)), numbers)
    name = namespace_name(record.name, pod.node, pod)
    namespaces = tuple(each for each in record.namespaces if each != name)
    return replace(record, topology=after.topology, namespaces=namespaces, numbers=numbers, next_number=following), after


def make(record: LabRecord, planned: Plan, ref: str) -> None:
    """Make a pod that ``record`` names already: namespace, cgroup, and a veth whose node's end is down."""
    node, port = _found(planned, ref)
    Construction(record, planned).build_pods(replace(node, ports=(port,), outside=()))


def connect(record: LabRecord, planned: Plan, ref: str) -> None:
    """Let packets reach a pod, and leave it; returns when it has answered its node."""
    node, port = _found(planned, ref)
    for other in planned.nodes:
        if other is not node:
            _tell(record, other, links.stray_routes(other, node, port))
    _tell(record, node, links.port_routes(replace(node, ports=(port,), outside=())))
    echo.await_answers(port.pod.ips, asked_by=node.name)


def remove(record: LabRecord, planned: Plan, ref: str) -> None:
    """Remove all there is of a pod: programs first, as a node's kubelet would end them, then its network, then the rest."""
    node, port = _found(planned, ref)
    cgroup = _cgroup(record, port.pod)
    cgroups.kill(cgroup)
    for other in planned.nodes:
        if other is not node:
            with suppress(LabError):  # it was never connected
                _tell(record, other, links.no_stray_routes(other, node, port))
    with suppress(LabError):  # it was not made whole
        _tell(record, node, [no_link(port.host_ifindex)])
    remove_pod(record, cgroup, namespace_name(record.name, node.name, port.pod))


def _found(planned: Plan, ref: str) -> tuple[NodePlan, Port]:
    return next((node, port) for node in planned.nodes for port in node.ports if port.pod.ref == ref)


def _cgroup(record: LabRecord, pod: Pod) -> Path:
    return Path(record.cgroup) / pod.node / f"{pod.namespace}_{pod.name}"


def _tell(record: LabRecord, node: NodePlan, messages: list[Message]) -> None:
    """Have the kernel do ``messages`` in the node's namespace, where the calling thread stays."""
    enter(NETNS / namespace_name(record.name, node.name))
    if messages:
        with Netlink() as socket:
            socket.send(messages)
