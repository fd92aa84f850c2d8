"""What all scenarios have: a topology by name or path, the manifests that apply to it, and policies that fit it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, ManifestError, quoted, suggestion
from harness.manifests.objects import Loaded, load_manifests, load_policies
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.topology import load_topology
from harness.model.cilium import Policy
from harness.model.routing import Routing
from harness.model.topology import Topology

Text = Annotated[str, Field(min_length=1)]
TopologyName = Annotated[Text, Field(description="A name in scenarios/topologies, or a path to a file, relative to this one.")]
Apply = Annotated[list[Text], Field(description="Kubernetes manifests: files or folders, relative to this file.")]


def topology_of(document: Document, file: Path, name: str, faults: list[Fault]) -> Topology | None:
    """The topology that a scenario's ``topology`` names; None, and faults added, where it cannot be had."""
    shipped = "/" not in name and not name.endswith((".yaml", ".yml"))
    path = shown(SCENARIOS / "topologies" / f"{name}.yaml") if shipped else file.parent / name
    if not path.is_file():
        if shipped:
            known = [each.stem for each in path.parent.glob("*.yaml")]
            what = f"no topology {quoted(name)} in {path.parent}{suggestion(name, known)}"
        else:
            what = f"no file {quoted(name)} beside this one; check the path"
        faults.append(document.fault(("topology",), what))
        return None
    try:
        return load_topology(path)
    except ManifestError as broken:
        faults += broken.faults
        return None


def applied(
    document: Document,
    file: Path,
    at: tuple[Step, ...],
    names: Sequence[str],
    faults: list[Fault],
    *,
    routed: bool = False,
) -> Loaded:
    """The policies of the ``apply`` at ``at``; a path that is not there is a fault of the scenario's line.

    If ``routed``, Services, Gateways and routes too; else Services are bystanders, and routes are refused.
    """
    paths = []
    for position, name in enumerate(names):
        path = file.parent / name
        if path.exists():
            paths.append(path)
        else:
            faults.append(document.fault((*at, position), f"no {quoted(name)} beside this file; check the path"))
    try:
        loaded = load_manifests(paths, services=True) if routed else load_policies(paths)
    except ManifestError as broken:
        faults += broken.faults
        return Loaded(())
    return loaded


def homeless(policies: Sequence[Policy], topology: Topology, routing: Routing | None = None) -> Iterator[Fault]:
    """A fault for each policy, Service or route of a namespace that the topology lacks."""
    namespaces = [namespace.name for namespace in topology.namespaces]
    objects = [(policy.namespace, policy.origin, "a policy acts in its own namespace") for policy in policies]
    if routing is not None:
        for kind in (
            routing.services, routing.gateways, routing.http_routes, routing.grpc_routes, routing.grants,
            routing.traffic_policies,
        ):  # fmt: skip
            objects += [(each.namespace, each.origin, "write another") for each in kind]
    for namespace, origin, instead in objects:
        if namespace is not None and namespace not in namespaces:
            hint = suggestion(namespace, namespaces)
            what = f"no namespace {quoted(namespace)} in topology {topology.name}{hint}"
            yield Fault(origin, f"metadata.namespace: {what}; {instead}")
