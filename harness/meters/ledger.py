"""Which cgroups bear the costs of a cell, under the names that every meter and the report use."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.lab.port import Place
from harness.meters.port import Subject


def cgroups(subject: Subject) -> Mapping[str, Sequence[Path]]:
    """The cgroups of the programs under load, ``client`` and ``server`` (all that answer), and of the plane's components."""
    return {
        "client": [subject.client.component_cgroup("client")],
        "server": [each.component_cgroup("server") for each in subject.servers],
        **plane_cgroups(subject),
    }


def plane_cgroups(subject: Subject) -> Mapping[str, Sequence[Path]]:
    """The cgroups of the data plane's components, by name.

    One in the client's or server's pod is named after it (``client-proxy``, ``server-proxy``), one in any other pod
    is ``other-proxy``; those that run on the nodes keep their name (``agent``), all nodes together.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for component in subject.components:
        if component.place is not None:
            label = _role(subject, component.place) + component.name
            found[label].append(component.place.component_cgroup(component.name))
    return dict(found)


def _role(subject: Subject, place: Place) -> str:
    if place.cgroup == subject.client.cgroup:
        return "client-"
    if any(place.cgroup == each.cgroup for each in subject.servers):
        return "server-"
    on_node = any(place.cgroup == node.cgroup for node in subject.lab.nodes)
    return "" if on_node else "other-"
