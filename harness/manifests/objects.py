"""Files and folders of Kubernetes objects: policies are loaded, what cannot matter is counted, the rest is refused."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.manifests import cilium, networkpolicy
from harness.manifests.document import Document, Step, dotted, read_documents
from harness.manifests.errors import Fault, ManifestError, found, quoted, refuse, suggestion
from harness.model.cilium import CiliumPolicy, Policy
from harness.model.origin import Origin

_SUFFIXES = frozenset((".yaml", ".yml", ".json"))  # those that kubectl takes from a folder

_LIST_FIELDS = frozenset(("apiVersion", "kind", "metadata", "items"))
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9./]*[A-Za-z0-9])?")  # of a kind or a version, on one line of a message

_Reader = Callable[[Document, tuple[Step, ...], list[Fault]], Policy | None]

_READERS: Mapping[tuple[str, str], _Reader] = {
    (networkpolicy.API_VERSION, networkpolicy.KIND): networkpolicy.network_policy,
    (cilium.API_VERSION, cilium.KIND): cilium.cilium_policy,
    (cilium.API_VERSION, cilium.CLUSTERWIDE_KIND): cilium.clusterwide_policy,
}
_SUPPORTED = " or ".join(f"{kind} of {version}" for version, kind in list(_READERS)[:2])

# Groups whose objects decide what may reach what, or how it gets there: an object of theirs is judged or refused.
_DECIDING_GROUPS = frozenset(
    (
        "networking.k8s.io",
        "policy.networking.k8s.io",
        "gateway.networking.k8s.io",
        "cilium.io",
        "crd.projectcalico.org",
        "projectcalico.org",
        "security.istio.io",
        "networking.istio.io",
        "policy.linkerd.io",
        "extensions",
    )
)
# Kinds of those groups that leave traffic between pods as it is: Ingress lets in clients from outside, through its controller.
_BYSTANDERS = frozenset(
    (
        "networking.k8s.io/Ingress",
        "networking.k8s.io/IngressClass",
        "networking.k8s.io/IPAddress",
        "networking.k8s.io/ServiceCIDR",
        "extensions/Ingress",
    )
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The policies in the order of files and lines, and how many objects of each kind are not judged."""

    policies: tuple[Policy, ...]
    not_judged: Counter[str] = field(default_factory=Counter)


def load_policies(paths: Sequence[Path], *, strict: bool = False) -> Loaded:
    """All policies of files and folders (with the folders in them). Raises ManifestError with all faults of all files.

    If ``strict``, an object that carries no policy is a fault too.
    """
    faults: list[Fault] = []
    policies: list[Policy] = []
    not_judged: list[tuple[str, Fault]] = []
    for path in paths:
        objects = 0
        for file in _files(path, faults):
            try:
                documents = read_documents(file)
            except ManifestError as broken:
                faults += broken.faults
                objects += 1  # what was meant is unknown, but the fault says enough
                continue
            for document in documents:
                objects += 1
                for policy in _policies(document, (), faults, not_judged):
                    policies.append(policy)
        if not objects and not any(fault.origin.file == str(path) for fault in faults):
            what = "no Kubernetes object in this folder" if path.is_dir() else "the file is empty"
            faults.append(Fault(Origin(str(path), 1), f"{what}; write or name a manifest"))
    faults += _twice(policies)
    if strict:
        faults += [fault for _, fault in not_judged]
    refuse(faults)
    return Loaded(tuple(policies), Counter(kind for kind, _ in not_judged))


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


def _policies(
    document: Document,
    path: tuple[Step, ...],
    faults: list[Fault],
    not_judged: list[tuple[str, Fault]],
    implied: tuple[str, str] | tuple[None, None] = (None, None),
) -> Iterator[Policy]:
    """Policies of the object at ``path``, and of its items where it is a list; ``implied``: version and kind by the list."""
    value = document.at(path)
    if not isinstance(value, dict):
        faults.append(document.fault(path, f"want a Kubernetes object (a mapping), found {found(value)}"))
        return
    version = _name(document, path, "apiVersion", implied[0], faults)
    kind = _name(document, path, "kind", implied[1], faults)
    if version is None or kind is None:
        return
    item = (version, kind.removesuffix("List"))
    if (version, kind) in _READERS:
        policy = _READERS[version, kind](document, path, faults)
        if policy is not None:
            yield policy
    elif (version, kind) == ("v1", "List") or item in _READERS:
        for name in sorted(value.keys() - _LIST_FIELDS):
            what = f"unknown field {quoted(name)}{suggestion(name, _LIST_FIELDS)}"
            faults.append(Fault(document.origin((*path, name)), f"{dotted(path)}: {what}" if path else what))
        items = value.get("items")
        if not isinstance(items, list):
            faults.append(document.fault((*path, "items"), f"want a list, found {found(items)}"))
            return
        for position in range(len(items)):
            inside = (*path, "items", position)
            yield from _policies(document, inside, faults, not_judged, item if item in _READERS else (None, None))
    elif _decides(version.partition("/")[0], kind):
        what = f"{kind} of {version} is not supported; write it as a {_SUPPORTED}, or leave it out"
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


def _twice(policies: Sequence[Policy]) -> Iterator[Fault]:
    first: dict[tuple[str, str | None, str], Policy] = {}
    for policy in policies:
        kind = _kind(policy)
        earlier = first.setdefault((kind, policy.namespace, policy.name), policy)
        if earlier is not policy:
            name = quoted(policy.name if policy.namespace is None else f"{policy.namespace}/{policy.name}")
            yield Fault(policy.origin, f"{kind} {name} is written already at {earlier.origin}; rename or remove one")


def _kind(policy: Policy) -> str:
    if isinstance(policy, CiliumPolicy):
        return cilium.CLUSTERWIDE_KIND if policy.namespace is None else cilium.KIND
    return networkpolicy.KIND
