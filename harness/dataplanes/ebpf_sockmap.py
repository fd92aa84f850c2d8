"""Our eBPF mesh with the same-node path: pods that ask for it exchange data from socket to socket on their node."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from harness.dataplanes.ebpf import Ebpf, EbpfAttachment, options
from harness.dataplanes.port import Component, DataPlaneError, Feature, No, NotConverged, Revision, Support, Unknown, Yes
from harness.lab.port import Lab, LabError, LabPod
from harness.mesh.errors import MeshError
from harness.mesh.mesh import Mesh, attached
from harness.mesh.sockmap import PINS, BadAnnotation, SameNodePath, asked_for, obstacle
from harness.model.topology import Pod


class EbpfSockmapAttachment(EbpfAttachment):
    """The mesh in force on a lab, with a same-node path on each node that has pods which ask for it."""

    def __init__(self, mesh: Mesh, paths: ExitStack) -> None:
        super().__init__(mesh)
        self._stack = paths
        self._paths: dict[str, SameNodePath] = {}
        self._follow()

    def _follow(self) -> None:
        for agent in self._mesh.agents if obstacle() is None else ():
            node = agent.node
            pods = [pod for pod in node.pods if asked_for(pod.pod)]
            if node.name in self._paths:
                self._paths[node.name].follow(pods)
            elif pods:
                path = SameNodePath(node, pods, agent.maps, self._mesh.lab.bpffs / f"{PINS}-{node.name}")
                self._stack.callback(path.close)
                self._paths[node.name] = path

    def pods_changed(self, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
        began = time.monotonic()
        try:
            self._follow()
        except (BadAnnotation, MeshError) as error:
            raise NotConverged(f"ebpf-sockmap: the change of pods is not in force: {error}") from error
        return replace(super().pods_changed(added, removed), seconds=time.monotonic() - began)

    def components(self) -> Sequence[Component]:
        """The packet programs, and apart from them the programs of the path."""
        programs = tuple(id_ for path in self._paths.values() for id_ in path.programs)
        return (*super().components(), Component("sockmap", programs=programs))

    def path_counts(self) -> dict[str, int]:
        """How many messages (and, as ``NAME_bytes``, bytes) went which way, and what became of sockets, on all nodes.

        bpf/session.h says what each name means. Only sockets that have joined are counted; what others send is not seen.
        """
        total: Counter[str] = Counter()
        for path in self._paths.values():
            total.update(path.counts())
        return dict(total)


class EbpfSockmap:
    """``ebpf``, and sockmap between pods of one node. Where the kernel lacks what it takes, it is ``ebpf`` alone."""

    name = "ebpf-sockmap"
    title = "eBPF mesh with same-node sockmap"

    def supports(self, feature: Feature) -> Support:
        if feature is not Feature.SAME_NODE_FAST_PATH:
            return Ebpf().supports(feature)
        return same_node_support()

    @contextmanager
    def attach(self, lab: Lab) -> Iterator[EbpfSockmapAttachment]:
        entered = False
        try:
            with attached(lab, options()) as mesh, ExitStack() as paths:
                attachment = EbpfSockmapAttachment(mesh, paths)
                entered = True
                yield attachment
        except (BadAnnotation, MeshError) as error:
            raise DataPlaneError(f"ebpf-sockmap could not be {'detached' if entered else 'attached'}: {error}") from error


def same_node_support() -> Support:
    """Whether this kernel lets sockets of one node exchange data without TCP."""
    try:
        reason = obstacle()
    except LabError as error:
        return Unknown(str(error))
    return No(reason) if reason else Yes()


DATA_PLANES = (EbpfSockmap(),)
