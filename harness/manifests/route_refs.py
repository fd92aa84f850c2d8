"""What a route refers to: its parents, and what it sends requests to.

Source of the rules: ``apis/v1/shared_types.go`` and ``object_reference_types.go`` of Gateway API.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.errors import quoted
from harness.manifests.gateway_fields import GROUP, Group, Kind, Namespace, ObjectName, SectionName
from harness.manifests.kubernetes import Port
from harness.manifests.shape import Shape, wrong
from harness.model.route import BackendObject, ParentReference

_Path = tuple[Step, ...]

_PARENTS = ((GROUP, "Gateway"), ("", "Service"))


class ParentShape(Shape):
    """One entry of ``parentRefs``."""

    name: ObjectName
    group: Group | None = None
    kind: Kind | None = None
    namespace: Namespace | None = None
    section_name: SectionName | None = None
    port: Port | None = None

    @model_validator(mode="after")
    def _a_known_parent(self) -> "ParentShape":
        group, kind = self.what
        if (group, kind) == (GROUP, "Service"):
            raise wrong('missing; a Service is of group "": write it', "group")
        if (group, kind) not in _PARENTS:
            what = f"a parent of kind {kind} and group {quoted(group)} is not supported"
            raise wrong(f"{what}; write a Gateway, or a Service of group {quoted('')}", "kind")
        return self

    @property
    def what(self) -> tuple[str, str]:
        """Group and kind, with the defaults of the CRD."""
        return GROUP if self.group is None else self.group, self.kind or "Gateway"

    def value(self, document: Document, path: _Path) -> ParentReference:
        """The entry, which stands at ``path``, as the model holds it."""
        origin = document.origin(path)
        return ParentReference(origin, self.name, self.group, self.kind, self.namespace, self.section_name, self.port)


Parents = Annotated[list[ParentShape], Field(max_length=32)]


def parents_differ(parents: Sequence[ParentShape]) -> None:
    """Raise what pydantic reports where two entries mean the same parent, or one a part of another.

    Both the rules of the standard CRD and those of the experimental one, which is the one that knows ``port``.
    """
    seen: dict[tuple[object, ...], list[ParentShape]] = {}
    for position, each in enumerate(parents):
        others = seen.setdefault((each.what, each.namespace, each.name), [])
        for other in others:
            if (each.section_name is None, each.port is None) != (other.section_name is None, other.port is None):
                what = f"{quoted(each.name)} is referred to already; write sectionName and port in all entries or in none"
                raise wrong(what, "parentRefs", position)
            if (each.section_name, each.port) == (other.section_name, other.port):
                what = f"{quoted(each.name)} is referred to already; write another sectionName or port, or remove one"
                raise wrong(what, "parentRefs", position)
        others.append(each)


class BackendObjectShape(Shape):
    """A reference to what takes requests. Kinds that do not exist are for the route's status, not for its validation."""

    name: ObjectName
    group: Group | None = None
    kind: Kind | None = None
    namespace: Namespace | None = None
    port: Port | None = None

    @model_validator(mode="after")
    def _port_of_a_service(self) -> "BackendObjectShape":
        if (self.group or "") == "" and (self.kind or "Service") == "Service" and self.port is None:
            raise wrong("missing; a Service is referred to with its port: write it", "port")
        return self

    def object(self, document: Document, path: _Path) -> BackendObject:
        """The reference, which stands at ``path``, as the model holds it."""
        return BackendObject(document.origin(path), self.name, self.group, self.kind, self.namespace, self.port)
