"""Nodes and pods made of network namespaces, as the rest of the house sees them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import NoReturn

from harness.lab import churn, processes, record
from harness.lab.addressing import NodePlan, Plan, Port
from harness.lab.namespaces import NETNS, entered
from harness.lab.port import Completed, LabError
from harness.lab.record import LabRecord, namespace_name
from harness.lab.shield import in_own_thread
from harness.model.topology import Pod, Topology


class NetnsPlace:
    """What nodes and pods have in common."""

    def __init__(self, label: str, netns: Path, cgroup: Path, logs: Path, started: list[processes.LabProcess]) -> None:
        self._label = label
        self._netns = netns
        self._cgroup = cgroup
        self._logs = logs
        self._started = started
        self._numbers = count(1)

    def __repr__(self) -> str:
        return f"<{self._label}>"

    @property
    def netns(self) -> Path:
        return self._netns

    @property
    def cgroup(self) -> Path:
        return self._cgroup

    def component_cgroup(self, component: str) -> Path:
        if "_" in component or "/" in component:
            raise LabError(f"{self._label}: {component!r} cannot name a component; use letters, digits and -")
        path = self._cgroup / component
        path.mkdir(exist_ok=True)
        return path

    def start(
        self,
        argv: Sequence[str],
        *,
        component: str,
        env: Mapping[str, str] | None = None,
        uid: int | None = None,
        gid: int | None = None,
    ) -> processes.LabProcess:
        command = self._command(argv, component, uid, gid, env, tells=True)
        process = processes.LabProcess(self._netns, command, self._new_log(component), env)
        self._started.append(process)
        return process

    def run(
        self,
        argv: Sequence[str],
        *,
        component: str = "tool",
        seconds: float = 30.0,
        stdin: str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        check: bool = True,
    ) -> Completed:
        command = self._command(argv, component, uid, gid)
        return processes.run(self._netns, command, shown=argv, where=self._label, seconds=seconds, stdin=stdin, check=check)

    def become(self, argv: Sequence[str], *, component: str = "tool") -> NoReturn:
        processes.become(self._netns, self._command(argv, component))

    def entered(self) -> AbstractContextManager[None]:
        return entered(self._netns)

    def _command(
        self,
        argv: Sequence[str],
        component: str,
        uid: int | None = None,
        gid: int | None = None,
        env: Mapping[str, str] | None = None,
        *,
        tells: bool = False,
    ) -> list[str]:
        try:
            return processes.command(argv, self.component_cgroup(component), uid, gid, env, tells=tells)
        except LabError as error:
            raise LabError(f"{self._label}: {error}") from None

    def _new_log(self, component: str) -> Path:
        while True:
            path = self._logs.with_name(f"{self._logs.name}-{component}-{next(self._numbers)}.log")
            try:
                path.touch(exist_ok=False)
            except FileExistsError:
                continue  # of another process that opened the same lab
            except OSError as error:
                raise LabError(f"{self._label}: cannot write the log {path}: {error.strerror}") from None
            return path


class NetnsPod(NetnsPlace):
    """A pod that is up; implements ``LabPod``."""

    def __init__(self, record: LabRecord, node: "NetnsNode", port: Port, started: list[processes.LabProcess]) -> None:
        pod = port.pod
        netns = NETNS / namespace_name(record.name, node.name, pod)
        inside = f"{pod.namespace}_{pod.name}"
        super().__init__(
            f"pod {pod.ref}" if pod.namespace else f"host {pod.name}",
            netns,
            node.cgroup / inside,
            record.files / "logs" / inside,
            started,
        )
        self._node = node
        self._port = port

    @property
    def pod(self) -> Pod:
        return self._port.pod

    @property
    def node(self) -> "NetnsNode":
        return self._node

    @property
    def host_ifname(self) -> str:
        return self._port.host_ifname

    @property
    def host_ifindex(self) -> int:
        return self._port.host_ifindex

    @property
    def mac(self) -> str:
        return self._port.mac

    @property
    def host_mac(self) -> str:
        return self._port.host_mac


class NetnsNode(NetnsPlace):
    """A node that is up; implements ``LabNode``."""

    def __init__(self, record: LabRecord, plan: NodePlan, started: list[processes.LabProcess]) -> None:
        netns = NETNS / namespace_name(record.name, plan.name)
        super().__init__(
            f"node {plan.name}", netns, Path(record.cgroup) / plan.name, record.files / "logs" / plan.name, started
        )
        self._record = record
        self._plan = plan
        self._pods: tuple[NetnsPod, ...] = ()
        self._outside = tuple(NetnsPod(record, self, port, started) for port in plan.outside)
        self.follow(plan)

    def follow(self, plan: NodePlan) -> None:
        """Have the pods of ``plan``; those that were there already stay the same objects."""
        self._plan = plan
        known = {pod.host_ifindex: pod for pod in self._pods}
        self._pods = tuple(
            known.get(port.host_ifindex) or NetnsPod(self._record, self, port, self._started) for port in plan.ports
        )

    @property
    def name(self) -> str:
        return self._plan.name

    @property
    def pods(self) -> Sequence[NetnsPod]:
        return self._pods

    @property
    def outside(self) -> Sequence[NetnsPod]:
        return self._outside

    @property
    def wires(self) -> Mapping[str, tuple[str, int]]:
        return {wire.peer: (wire.ifname, wire.ifindex) for wire in self._plan.wires}

    def wire_mac(self, peer: str) -> str:
        for wire in self._plan.wires:
            if wire.peer == peer:
                return wire.mac
        raise KeyError(f"node {self.name} has no wire to {peer}")

    def address(self, family: int) -> str:
        """The node's own address, from which it asks its pods and reports errors to them."""
        return self._plan.addresses[family]


@dataclass(slots=True)
class NetnsLab:
    """A topology that is up; implements ``Lab``. Made by ``up`` and ``reopen``; all that it says follows from its record."""

    record: LabRecord
    plan: Plan
    here: str | None = None
    """The node that this kernel has, where the others are machines of their own."""

    nodes: Sequence[NetnsNode] = field(init=False)
    pods: Sequence[NetnsPod] = field(init=False)
    _everywhere: Sequence[NetnsNode] = field(init=False)
    _started: list[processes.LabProcess] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._everywhere = tuple(NetnsNode(self.record, node, self._started) for node in self.plan.nodes)
        self.nodes = tuple(node for node in self._everywhere if self.here in (None, node.name))
        self._follow(self.record, self.plan)

    def _follow(self, record: LabRecord, plan: Plan) -> None:
        self.record, self.plan = record, plan
        for node, planned in zip(self._everywhere, plan.nodes, strict=True):
            node.follow(planned)
        by_ref = {pod.pod.ref: pod for node in self._everywhere for pod in node.pods}
        self.pods = tuple(by_ref[pod.ref] for pod in plan.topology.pods)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def topology(self) -> Topology:
        return self.plan.topology

    @property
    def folder(self) -> Path:
        return self.record.files

    @property
    def bpffs(self) -> Path:
        return self.record.bpffs

    def node(self, name: str) -> NetnsNode:
        for node in self._everywhere:
            if node.name == name:
                return node
        raise KeyError(f"lab {self.name} has no node {name}")

    def pod(self, ref: str) -> NetnsPod:
        for pod in self.pods:
            if pod.pod.ref == ref:
                return pod
        raise KeyError(f"lab {self.name} has no pod {ref}")

    def add_pod(self, pod: Pod) -> NetnsPod:
        with record.removing(self.record):
            before = self.record, self.plan
            after = churn.with_pod(*before, pod)
            record.rewrite(after[0])
            try:
                in_own_thread(partial(churn.make, *after, pod.ref))
            except (LabError, OSError) as error:
                in_own_thread(partial(churn.remove, *after, pod.ref))
                record.rewrite(before[0])
                raise LabError(f"lab {self.name}: pod {pod.ref} could not be made: {error}; nothing is left of it") from error
            self._follow(*after)
        return self.pod(pod.ref)

    def connect(self, ref: str) -> None:
        self.pod(ref)
        in_own_thread(partial(churn.connect, self.record, self.plan, ref))

    def remove_pod(self, ref: str) -> None:
        pod = self.pod(ref).pod
        with record.removing(self.record):
            after = churn.without_pod(self.record, self.plan, pod)
            in_own_thread(partial(churn.remove, self.record, self.plan, ref))
            record.rewrite(after[0])
            self._follow(*after)

    def reap(self) -> None:
        """Ask for the exit status of every program that was started, so that no zombie is left; all must be dead."""
        for process in self._started:
            process.poll()
