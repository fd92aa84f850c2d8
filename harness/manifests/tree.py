"""YAML text into trees of nodes that know their lines.

Built from the parser's events, not by its own composer: that one recurses in C, and a file of a hundred thousand brackets
would end the process.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from harness.manifests.errors import Fault, ManifestError, quoted
from harness.manifests.scalar import Scalar, resolve
from harness.model.origin import Origin

Data: TypeAlias = Any  # what YAML can hold; shapes (harness.manifests.shape) say what it must be

_DEPTH = 100  # levels of nesting; Kubernetes objects need about 15
_VALUES = 2_000_000  # values of a file, and of a document once its aliases are expanded


@dataclass(slots=True)
class Leaf:
    """A scalar."""

    line: int
    value: Scalar
    size: int = 1
    depth: int = 1


@dataclass(slots=True)
class List:
    """A sequence. ``size`` counts its values with aliases expanded, ``depth`` its levels."""

    line: int
    items: list["Node"] = field(default_factory=list)
    size: int = 1
    depth: int = 1


@dataclass(slots=True)
class Mapping:
    """A mapping; each entry has the line of its key."""

    line: int
    entries: dict[str, tuple[int, "Node"]] = field(default_factory=dict)
    size: int = 1
    depth: int = 1


Node: TypeAlias = Leaf | List | Mapping


def plain(node: Node) -> Data:
    """Strings, numbers, lists and dicts; what aliases share in the tree is shared in these too."""
    return _plain(node, {})


class Builder:
    """Trees of a file's documents. ``faults`` collects what is wrong but leaves the rest readable."""

    def __init__(self, file: str, text: str) -> None:
        self.faults: list[Fault] = []
        self._file = file
        self._events = _events(text)
        self._anchors: dict[str, Node] = {}
        self._values = 0

    def roots(self) -> Iterator[Node]:
        """The roots of the documents that hold something. Raises yaml.YAMLError where the text is not YAML."""
        for event in self._events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            self._anchors = {}
            root = self._node(next(self._events), 1)
            if isinstance(root, Leaf) and root.value is None:
                continue
            if root.size > _VALUES or root.depth > _DEPTH:
                what = f"{_VALUES:,} values" if root.size > _VALUES else f"{_DEPTH} levels"
                self._fault(root.line, f"aliases expand to over {what}; write what is meant")
                continue
            yield root

    def _fault(self, line: int, message: str) -> None:
        self.faults.append(Fault(Origin(self._file, line), message))

    def _count(self, line: int, values: int) -> None:
        """Count values that were read or that << copies: before they are made, or they would fill the memory first."""
        self._values += values
        if self._values > _VALUES:
            what = f"the file holds over {_VALUES:,} values up to here, those that << merges included; split it"
            raise ManifestError([*self.faults, Fault(Origin(self._file, line), what)])

    def _node(self, event: yaml.Event, depth: int) -> Node:
        line = _line(event)
        self._count(line, 1)
        if depth > _DEPTH:
            raise ManifestError(
                [*self.faults, Fault(Origin(self._file, line), f"nested deeper than {_DEPTH} levels; flatten it")]
            )
        node: Node
        match event:
            case yaml.AliasEvent():
                if event.anchor in self._anchors:
                    return self._anchors[event.anchor]
                self._fault(line, f"alias *{event.anchor} has no anchor &{event.anchor} that is complete before it")
                return Leaf(line, None)
            case yaml.ScalarEvent():
                node = Leaf(line, resolve(event.value) if event.implicit[0] else event.value)
            case yaml.SequenceStartEvent():
                node = self._list(line, depth)
            case _:
                node = self._mapping(line, depth)
        assert isinstance(event, yaml.NodeEvent)  # noqa: S101 - the parser's grammar; its type stubs do not say so
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._fault(line, f"tag {quoted(tag)}; tags are not supported: remove it")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _list(self, line: int, depth: int) -> List:
        node = List(line)
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            node.items.append(self._node(event, depth + 1))
        _measure(node, node.items)
        return node

    def _mapping(self, line: int, depth: int) -> Mapping:
        node = Mapping(line)
        merged: list[Node] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            is_merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if is_merge:
                sources = value.items if isinstance(value, List) else [value]
                self._count(_line(event), sum(len(each.entries) for each in sources if isinstance(each, Mapping)))
                merged += sources
            else:
                self._enter(node, _line(event), key, value)
        for source in merged:
            if not isinstance(source, Mapping):
                self._fault(source.line, "<< merges mappings only; give it an alias of a mapping")
                continue
            for name, entry in source.entries.items():
                node.entries.setdefault(name, entry)
        _measure(node, [value for _, value in node.entries.values()])
        return node

    def _enter(self, mapping: Mapping, line: int, key: Node, value: Node) -> None:
        if not isinstance(key, Leaf):
            self._fault(line, "a list or mapping as a key; keys are strings")
            return
        name = _key(key.value)
        if name in mapping.entries:
            self._fault(line, f"duplicate key {quoted(name)}, first on line {mapping.entries[name][0]}; keep one")
            return
        mapping.entries[name] = (line, value)


def _events(text: str) -> Iterator[yaml.Event]:
    parser = yaml.CSafeLoader(text)
    try:
        while (event := parser.get_event()) is not None:
            yield event
    finally:
        parser.dispose()


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark is not None else 1


def _measure(node: List | Mapping, children: Sequence[Node]) -> None:
    node.size = 1 + sum(child.size for child in children)
    node.depth = 1 + max((child.depth for child in children), default=0)


def _key(value: Scalar) -> str:
    """Keys that read as numbers, booleans or null are strings to Kubernetes, written as JSON would."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _plain(node: Node, seen: dict[int, Data]) -> Data:
    """Plain data; what aliases share is shared in it too."""
    if isinstance(node, Leaf):
        return node.value
    if id(node) not in seen:
        if isinstance(node, List):
            seen[id(node)] = [_plain(item, seen) for item in node.items]
        else:
            seen[id(node)] = {name: _plain(value, seen) for name, (_, value) in node.entries.items()}
    return seen[id(node)]
