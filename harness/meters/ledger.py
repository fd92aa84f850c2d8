"""Which cgroups bear the costs of a cell, under the names that every meter and the report use."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.lab.port import Place
from harness.meters.port import Subject


def cgroups(subject: Subject) -> Mapping[str, Sequence[Path]]:
    """The cgroups of each component, by name.

    ``client`` and ``server`` are the two programs under load. A data plane's component in one of their pods is named
    after the pod (``client-proxy``, ``server-proxy``), in any other pod ``other-proxy``; one that runs on the nodes
    keeps its name (``agent``), all nodes together.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    found["client"].append(subject.client.component_cgroup("client"))
    found["server"].append(subject.server.component_cgroup("server"))
    for component in subject.components:
        if component.place is not None:
            label = _role(subject, component.place) + component.name
            found[label].append(component.place.component_cgroup(component.name))
    return dict(found)


def _role(subject: Subject, place: Place) -> str:
    if place.cgroup == subject.client.cgroup:
        return "client-"
    if place.cgroup == subject.server.cgroup:
        return "server-"
    on_node = any(place.cgroup == node.cgroup for node in subject.lab.nodes)
    return "" if on_node else "other-"
