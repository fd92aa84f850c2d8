"""What every lab offers, whatever its nodes are made of.

Data planes, loads and meters see a lab only through these protocols, so that virtual machines
can stand in for network namespaces.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from harness.model.topology import Pod, Topology


class LabError(Exception):
    """The lab could not do what was asked: what, where, and what to do about it, in one line."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended: its exit status and what it printed."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


class Process(Protocol):
    """A program that runs in a lab."""

    @property
    def pid(self) -> int: ...

    @property
    def log(self) -> Path:
        """The file that its standard output and standard error go to."""
        ...

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""
        ...

    def wait(self, seconds: float) -> int:
        """Wait for its end; raises TimeoutError after ``seconds``."""
        ...

    def signal(self, number: int) -> None: ...

    def stop(self, grace: float = 2.0) -> None:
        """SIGTERM, then SIGKILL after ``grace`` seconds; returns when it is gone and reaped."""
        ...


class Place(Protocol):
    """A network namespace and a cgroup: what a node and a pod have in common."""

    @property
    def netns(self) -> Path:
        """The namespace as a file, for setns(2) and ``nsenter --net=``."""
        ...

    @property
    def cgroup(self) -> Path:
        """Its cgroup v2 folder. Components live in folders below it, one each."""
        ...

    def component_cgroup(self, component: str) -> Path:
        """The cgroup of one component (``server``, ``client``, ``proxy``…), made on first use."""
        ...

    def start(
        self,
        argv: Sequence[str],
        *,
        component: str,
        env: Mapping[str, str] | None = None,
        uid: int | None = None,
        gid: int | None = None,
    ) -> Process:
        """Start a program inside, billed to ``component`` from its first instruction. Its log is kept in the lab's folder."""
        ...

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
        """Run a command inside to its end. Raises LabError when it is missing, times out or (``check``) fails."""
        ...

    def become(self, argv: Sequence[str], *, component: str = "tool") -> NoReturn:
        """Turn the calling process into a program inside: terminal, files, signals and exit status are the program's."""
        ...

    def entered(self) -> AbstractContextManager[None]:
        """The calling thread is inside the network namespace while the context is open (for system calls, not commands)."""
        ...


class LabPod(Place, Protocol):
    """A pod that is up. Its veth's pod end is ``eth0``; the other end is in its node's namespace."""

    @property
    def pod(self) -> Pod:
        """The model's pod with its addresses assigned."""
        ...

    @property
    def node(self) -> "LabNode": ...

    @property
    def host_ifname(self) -> str: ...

    @property
    def host_ifindex(self) -> int:
        """Index of the node's end of the veth, in the node's namespace."""
        ...

    @property
    def mac(self) -> str:
        """MAC address of the pod's end."""
        ...

    @property
    def host_mac(self) -> str:
        """MAC address of the node's end; the pod's gateway."""
        ...


class LabNode(Place, Protocol):
    """A node that is up: a namespace with its own routing, a host route to each of its pods, wires to other nodes."""

    @property
    def name(self) -> str: ...

    @property
    def pods(self) -> Sequence[LabPod]: ...

    @property
    def outside(self) -> Sequence[LabPod]:
        """The hosts outside of the cluster that are reached through this node: like pods, but of no namespace and no pods."""
        ...

    @property
    def wires(self) -> Mapping[str, tuple[str, int]]:
        """Interface name and index of the wire to each other node, by that node's name."""
        ...

    def wire_mac(self, peer: str) -> str:
        """MAC address of this node's end of the wire to the node ``peer``. Raises KeyError."""
        ...


class Lab(Protocol):
    """A topology that is up."""

    @property
    def name(self) -> str:
        """A short random name, unique on this machine; part of the name of everything the lab makes."""
        ...

    @property
    def topology(self) -> Topology:
        """The topology with every pod's addresses assigned."""
        ...

    @property
    def folder(self) -> Path:
        """A folder for configuration, certificates, sockets and logs; removed with the lab."""
        ...

    @property
    def bpffs(self) -> Path:
        """A bpf file system of the lab's own, for pins; unmounted with the lab. Nothing is pinned anywhere else."""
        ...

    @property
    def nodes(self) -> Sequence[LabNode]:
        """Those of this kernel: all, but where nodes are machines of their own."""
        ...

    @property
    def pods(self) -> Sequence[LabPod]:
        """All of the topology. Of those whose node is not among ``nodes`` only what they are called is known here."""
        ...

    def node(self, name: str) -> LabNode:
        """Any of the topology's; raises KeyError for a name that it lacks."""
        ...

    def pod(self, ref: str) -> LabPod:
        """By ``namespace/name``; raises KeyError."""
        ...

    def add_pod(self, pod: Pod) -> LabPod:
        """Make a pod beside those that are there, with the addresses that it carries, else with free ones.

        Programs can be started in it, but nothing reaches it and nothing leaves it before ``connect``: in between, whoever
        judges packets learns of it. Raises LabError, and then nothing is left of it.
        """
        ...

    def connect(self, ref: str) -> None:
        """Let packets reach an added pod and leave it; returns when it has answered its node. Raises KeyError, LabError."""
        ...

    def remove_pod(self, ref: str) -> None:
        """End a pod's programs and remove all there is of it; its addresses are free at once. Raises KeyError, LabError."""
        ...
