"""No mesh at all: the pods' own TCP over the nodes' routing. The control of every comparison."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.dataplanes.port import (
    NO_ROUTING,
    Attachment,
    Component,
    DataPlaneError,
    Feature,
    No,
    RestartKind,
    Revision,
    Support,
    Yes,
    unrouted,
)
from harness.lab.port import Lab, LabPod
from harness.model.cilium import Policy
from harness.model.flow import Evidence, Flow
from harness.model.routing import Routing
from harness.model.topology import Pod


class PlainAttachment:
    """Forwards everything; policies are accepted and, being enforced by nobody, change nothing."""

    def __init__(self) -> None:
        self._revision = 0

    def apply(self, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
        unrouted(routing, "plain")
        self._revision += 1
        return Revision(self._revision, 0.0)

    def pods_changed(self, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
        return self.apply(())

    def evidence(self, flow: Flow) -> Evidence | None:
        return None

    def components(self) -> Sequence[Component]:
        return ()

    def restart(self, component: str, how: RestartKind) -> None:
        raise DataPlaneError(f"plain has no component {component!r} to restart")


class Plain:
    """The lab's routing as it is."""

    name = "plain"
    title = "No mesh"

    def supports(self, feature: Feature) -> Support:
        if feature is Feature.IPV6:
            return Yes()
        return No("there is no mesh to do it")

    @contextmanager
    def attach(self, lab: Lab) -> Iterator[Attachment]:
        yield PlainAttachment()


DATA_PLANES = (Plain(),)
