"""Files and folders of Kubernetes objects: what decides is loaded, what cannot matter is counted, the rest is refused."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from harness.manifests import cilium, gateway, networkpolicy, route, service, traffic
from harness.manifests.document import Document, Step, dotted, read_documents
from harness.manifests.errors import Fault, ManifestError, found, quoted, refuse, suggestion
from harness.manifests.gateway_fields import GROUP
from harness.model.cilium import CiliumPolicy, Policy
from harness.model.origin import Origin
from harness.model.policy import NetworkPolicy
from harness.model.route import Gateway, GRPCRoute, HTTPRoute, ReferenceGrant
from harness.model.routing import Routing
from harness.model.service import Service
from harness.model.traffic import BackendTrafficPolicy

_SUFFIXES = frozenset((".yaml", ".yml", ".json"))  # those that kubectl takes from a folder

_LIST_FIELDS = frozenset(("apiVersion", "kind", "metadata", "items"))
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9./]*[A-Za-z0-9])?")  # of a kind or a version, on one line of a message

_Object = Policy | Service | Gateway | HTTPRoute | GRPCRoute | ReferenceGrant | BackendTrafficPolicy
_Some = TypeVar("_Some", bound=_Object)
_Reader = Callable[[Document, tuple[Step, ...], list[Fault]], _Object | None]

_READERS: Mapping[tuple[str, str], _Reader] = {
    (networkpolicy.API_VERSION, networkpolicy.KIND): networkpolicy.network_policy,
    (cilium.API_VERSION, cilium.KIND): cilium.cilium_policy,
    (cilium.API_VERSION, cilium.CLUSTERWIDE_KIND): cilium.clusterwide_policy,
    **{(version, gateway.KIND): gateway.gateway for version in gateway.VERSIONS},
    **{(version, gateway.GRANT_KIND): gateway.reference_grant for version in gateway.VERSIONS},
    **{(version, route.HTTP_KIND): route.http_route for version in route.HTTP_VERSIONS},
    **{(version, route.GRPC_KIND): route.grpc_route for version in route.GRPC_VERSIONS},
    (traffic.API_VERSION, traffic.KIND): traffic.backend_traffic_policy,
}
_SERVICES: Mapping[tuple[str, str], _Reader] = {(service.API_VERSION, service.KIND): service.service}
_POLICIES = f"{networkpolicy.KIND} of {networkpolicy.API_VERSION} or {cilium.KIND} of {cilium.API_VERSION}"
_TRAFFIC = f"{traffic.KIND} of {traffic.API_VERSION}"
_ROUTES = f"{route.HTTP_KIND} or {route.GRPC_KIND} of {route.HTTP_VERSIONS[0]}"

# Groups whose objects decide what may reach what, or how it gets there: an object of theirs is judged or refused.
_DECIDING_GROUPS = frozenset(
    (
        "networking.k8s.io",
        "policy.networking.k8s.io",
        "gateway.networking.k8s.io",
        "gateway.envoyproxy.io",
        "cilium.io",
        "crd.projectcalico.org",
        "projectcalico.org",
        "security.istio.io",
        "networking.istio.io",
        "policy.linkerd.io",
        "extensions",
    )
)
# Kinds of those groups that leave traffic between pods as it is: Ingress lets in clients from outside, through its controller,
# a GatewayClass names the controller of Gateways, and an EnvoyProxy says how that runs its proxies.
_BYSTANDERS = frozenset(
    (
        "networking.k8s.io/Ingress",
        "networking.k8s.io/IngressClass",
        "networking.k8s.io/IPAddress",
        "networking.k8s.io/ServiceCIDR",
        "extensions/Ingress",
        f"{GROUP}/GatewayClass",
        f"{traffic.GROUP}/EnvoyProxy",
    )
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Policies, and what routes requests, in the order of files and lines, and how many objects of each kind are not judged."""

    policies: tuple[Policy, ...]
    not_judged: Counter[str] = field(default_factory=Counter)
    routing: Routing = field(default_factory=Routing)


def load_policies(paths: Sequence[Path]) -> Loaded:
    """Policies alone: as ``load_manifests``, but routes are refused, since passing over them would compare something else."""
    loaded = load_manifests(paths)
    routing = loaded.routing
    routes: list[_Object] = [*routing.gateways, *routing.http_routes, *routing.grpc_routes, *routing.traffic_policies]
    what = "is in force only where requests to Services or Gateways are asked; drop it"
    refuse([Fault(each.origin, f"kind: {_kind(each)} {quoted(_name_of(each))} {what}") for each in routes])
    return Loaded(loaded.policies, loaded.not_judged + Counter({gateway.GRANT_KIND: len(routing.grants)}))


def load_manifests(paths: Sequence[Path], *, strict: bool = False, services: bool = False) -> Loaded:
    """All that decides, of files and folders (with the folders in them). Raises ManifestError with all faults of all files.

    If ``strict``, an object that carries neither policy nor routing is a fault too. Services are read only if ``services``: to
    who asks about pods they are bystanders, whatever they hold.
    """
    faults: list[Fault] = []
    objects: list[_Object] = []
    not_judged: list[tuple[str, Fault]] = []
    readers = {**_READERS, **_SERVICES} if services else _READERS
    for path in paths:
        documents_here = 0
        for file in _files(path, faults):
            try:
                documents = read_documents(file)
            except ManifestError as broken:
                faults += broken.faults
                documents_here += 1  # what was meant is unknown, but the fault says enough
                continue
            for document in documents:
                documents_here += 1
                objects += _objects(document, (), readers, faults, not_judged)
        if not documents_here and not any(fault.origin.file == str(path) for fault in faults):
            what = "no Kubernetes object in this folder" if path.is_dir() else "the file is empty"
            faults.append(Fault(Origin(str(path), 1), f"{what}; write or name a manifest"))
    faults += _twice(objects)
    policies = [each for each in objects if isinstance(each, NetworkPolicy | CiliumPolicy)]
    if strict:
        faults += [fault for _, fault in not_judged]
    refuse(faults)
    return Loaded(tuple(policies), Counter(kind for kind, _ in not_judged), _routing(objects))


def _routing(objects: Sequence[_Object]) -> Routing:
    def those(kind: type[_Some]) -> tuple[_Some, ...]:
        return tuple(each for each in objects if isinstance(each, kind))

    routes = those(HTTPRoute), those(GRPCRoute)
    return Routing(those(Service), those(Gateway), *routes, those(ReferenceGrant), those(BackendTrafficPolicy))


def _files(path: Path, faults: list[Fault]) -> list[Path]:
    """``path`` itself, or the manifests in it, whatever they are: a broken link is for its reader to refuse."""

    def unread(error: OSError) -> None:
        faults.append(Fault(Origin(str(error.filename or path), 1), f"cannot be read: {error.strerror}"))

    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        faults.append(Fault(Origin(str(path), 1), "no such file or folder; check the path"))
        return []
    except OSError as error:
        unread(error)
        return []
    if not path.is_dir():
        return [path]
    inside = (Path(folder, name) for folder, _, names in os.walk(path, onerror=unread) for name in names)
    return sorted(each for each in inside if each.suffix in _SUFFIXES)


def _objects(
    document: Document,
    path: tuple[Step, ...],
    readers: Mapping[tuple[str, str], _Reader],
    faults: list[Fault],
    not_judged: list[tuple[str, Fault]],
    implied: tuple[str, str] | tuple[None, None] = (None, None),
) -> Iterator[_Object]:
    """The object at ``path``, if it decides, and the items of a list; ``implied``: version and kind, as the list says."""
    value = document.at(path)
    if not isinstance(value, dict):
        faults.append(document.fault(path, f"want a Kubernetes object (a mapping), found {found(value)}"))
        return
    version = _name(document, path, "apiVersion", implied[0], faults)
    kind = _name(document, path, "kind", implied[1], faults)
    if version is None or kind is None:
        return
    item = (version, kind.removesuffix("List"))
    if (version, kind) in readers:
        read = readers[version, kind](document, path, faults)
        if read is not None:
            yield read
    elif (version, kind) == ("v1", "List") or item in readers:
        for name in sorted(value.keys() - _LIST_FIELDS):
            what = f"unknown field {quoted(name)}{suggestion(name, _LIST_FIELDS)}"
            faults.append(Fault(document.origin((*path, name)), f"{dotted(path)}: {what}" if path else what))
        items = value.get("items")
        if not isinstance(items, list):
            faults.append(document.fault((*path, "items"), f"want a list, found {found(items)}"))
            return
        for position in range(len(items)):
            inside = (*path, "items", position)
            yield from _objects(document, inside, readers, faults, not_judged, item if item in readers else (None, None))
    elif _decides(version.partition("/")[0], kind):
        group = version.partition("/")[0].casefold()
        instead = f"an {_ROUTES}" if group == GROUP else f"a {_TRAFFIC}" if group == traffic.GROUP else f"a {_POLICIES}"
        what = f"{kind} of {version} is not supported; write it as {instead}, or leave it out"
        faults.append(document.fault((*path, "kind"), what))
    else:
        fault = document.fault((*path, "kind"), f"{kind} carries no policy and is not judged; leave it out")
        not_judged.append((kind, fault))


def _name(document: Document, path: tuple[Step, ...], field: str, default: str | None, faults: list[Fault]) -> str | None:
    """The object's ``field``; None, and a fault added, where it is no name."""
    text = document.at(path).get(field, default)
    if isinstance(text, str) and _NAME.fullmatch(text):
        return text
    what = "missing; a Kubernetes object names it" if text is None else f"want a name, found {found(text)}"
    faults.append(document.fault((*path, field), what))
    return None


def _decides(group: str, kind: str) -> bool:
    if f"{group}/{kind}" in _BYSTANDERS:
        return False
    policies = (networkpolicy.KIND.casefold(), f"{networkpolicy.KIND}List".casefold())
    return group.casefold() in _DECIDING_GROUPS or kind.casefold().endswith(policies)


def _twice(objects: Sequence[_Object]) -> Iterator[Fault]:
    first: dict[tuple[str, str | None, str], _Object] = {}
    for each in objects:
        kind = _kind(each)
        earlier = first.setdefault((kind, each.namespace, each.name), each)
        if earlier is not each:
            name = quoted(_name_of(each))
            yield Fault(each.origin, f"{kind} {name} is written already at {earlier.origin}; rename or remove one")


def _name_of(each: _Object) -> str:
    return each.name if each.namespace is None else f"{each.namespace}/{each.name}"


def _kind(each: _Object) -> str:
    if isinstance(each, CiliumPolicy):
        return cilium.CLUSTERWIDE_KIND if each.namespace is None else cilium.KIND
    return type(each).__name__  # the values are called as the kinds are
