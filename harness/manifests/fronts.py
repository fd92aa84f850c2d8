"""The Service that a benchmark's client asks, on data planes that have Services."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from harness.manifests.document import Document
from harness.manifests.errors import Fault, quoted, suggestion
from harness.manifests.flows import PodRef
from harness.manifests.kubernetes import Port
from harness.manifests.shape import Shape
from harness.model.bench import Front
from harness.model.routing import Routing
from harness.model.service import Service
from harness.model.topology import Topology

_HEADLESS = "None"


class FrontShape(Shape):
    """A Service, and the pods that answer for it."""

    name: PodRef = Field(description="The Service, as namespace/name.")
    port: Port = Field(description="Its port.")
    backends: Annotated[list[PodRef], Field(min_length=1)] = Field(
        description="All pods that its routes send requests to: what they cost is the server's cost."
    )

    def value(self) -> Front:
        """As the model holds it."""
        return Front(self.name, self.port, tuple(self.backends))


def unfit(document: Document, shape: FrontShape, server: str, topology: Topology, routing: Routing) -> Iterator[Fault]:
    """What is wrong with a ``service`` beside the scenario's server, topology and manifests."""
    services = {each.ref: each for each in routing.services}
    service = services.get(shape.name)
    if service is None:
        what = f"no Service {quoted(shape.name)} in what is applied{suggestion(shape.name, services)}"
        yield document.fault(("service", "name"), what)
    elif service.cluster_ip == _HEADLESS or service.type == "ExternalName":
        yield document.fault(("service", "name"), f"{shape.name} has no address that can be asked; name another")
    elif shape.port not in _ports(service):
        yield document.fault(("service", "port"), f"{shape.name} has no TCP port {shape.port}; write one of its ports")
    pods = [pod.ref for pod in topology.pods]
    for position, ref in enumerate(shape.backends):
        if ref not in pods:
            yield document.fault(("service", "backends", position), f"no pod {quoted(ref)}{suggestion(ref, pods)}")
    if server not in shape.backends:
        what = f"without {server}, which is asked where there are no Services; add it, or name another server"
        yield document.fault(("service", "backends"), what)


def _ports(service: Service) -> set[int]:
    return {each.port for each in service.ports or () if each.protocol in (None, "TCP")}
