"""Our eBPF mesh with the same-node path: pods that ask for it exchange data from socket to socket on their node."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from harness.dataplanes.ebpf import Ebpf, EbpfAttachment, options
from harness.dataplanes.port import Component, DataPlaneError, Feature, No, Support, Unknown, Yes
from harness.lab.port import Lab, LabError
from harness.mesh.errors import MeshError
from harness.mesh.mesh import Mesh, attached
from harness.mesh.sockmap import PINS, BadAnnotation, SameNodePath, asked_for, obstacle


class EbpfSockmapAttachment(EbpfAttachment):
    """The mesh in force on a lab, with a same-node path on each node."""

    def __init__(self, mesh: Mesh, paths: Sequence[SameNodePath]) -> None:
        super().__init__(mesh)
        self._paths = paths

    def components(self) -> Sequence[Component]:
        """The packet programs, and apart from them the programs of the path."""
        programs = tuple(id_ for path in self._paths for id_ in path.programs)
        return (*super().components(), Component("sockmap", programs=programs))

    def path_counts(self) -> dict[str, int]:
        """How many messages (and, as ``NAME_bytes``, bytes) went which way, and what became of sockets, on all nodes.

        bpf/session.h says what each name means. Only sockets that have joined are counted; what others send is not seen.
        """
        total: Counter[str] = Counter()
        for path in self._paths:
            total.update(path.counts())
        return dict(total)


class EbpfSockmap:
    """``ebpf``, and sockmap between pods of one node. Where the kernel lacks what it takes, it is ``ebpf`` alone."""

    name = "ebpf-sockmap"
    title = "eBPF mesh with same-node sockmap"

    def supports(self, feature: Feature) -> Support:
        if feature is not Feature.SAME_NODE_FAST_PATH:
            return Ebpf().supports(feature)
        try:
            reason = obstacle()
        except LabError as error:
            return Unknown(str(error))
        return No(reason) if reason else Yes()

    @contextmanager
    def attach(self, lab: Lab) -> Iterator[EbpfSockmapAttachment]:
        entered = False
        try:
            with attached(lab, options()) as mesh, _paths(lab, mesh) as paths:
                entered = True
                yield EbpfSockmapAttachment(mesh, paths)
        except (BadAnnotation, MeshError) as error:
            raise DataPlaneError(f"ebpf-sockmap could not be {'detached' if entered else 'attached'}: {error}") from error


@contextmanager
def _paths(lab: Lab, mesh: Mesh) -> Iterator[Sequence[SameNodePath]]:
    """A path on each node that has pods which ask for it."""
    with ExitStack() as undo:
        paths = []
        for agent in mesh.agents if obstacle() is None else ():
            pods = [pod for pod in agent.node.pods if asked_for(pod.pod)]
            if pods:
                path = SameNodePath(agent.node, pods, agent.maps, lab.bpffs / f"{PINS}-{agent.node.name}")
                undo.callback(path.close)
                paths.append(path)
        yield paths


DATA_PLANES = (EbpfSockmap(),)
