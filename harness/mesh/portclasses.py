"""Port ranges as disjoint classes, so that a packet's port is looked up once whatever the length of the ranges.

Two ports are in one class if no rule tells them apart. Class 0 holds the ports that no rule names.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Ports ``first`` to ``last`` of a protocol, both included."""

    protocol: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class PortClasses:
    """The classes of all ranges of a set of policies."""

    spans: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    """By protocol: (first port, last port, class), disjoint and ascending, class 0 left out."""
    of: dict[PortRange, tuple[int, ...]] = field(default_factory=dict)
    """The classes that make up each range."""


def classify(ranges: Iterable[PortRange]) -> PortClasses:
    """Split ``ranges`` into classes, numbered from 1 in each protocol."""
    by_protocol: dict[str, set[PortRange]] = defaultdict(set)
    for span in ranges:
        by_protocol[span.protocol].add(span)
    spans: dict[str, list[tuple[int, int, int]]] = {}
    members: dict[PortRange, set[int]] = defaultdict(set)
    for protocol, named in sorted(by_protocol.items()):
        spans[protocol] = _split(sorted(named), members)
    return PortClasses(spans, {span: tuple(sorted(classes)) for span, classes in members.items()})


def _split(named: Sequence[PortRange], members: dict[PortRange, set[int]]) -> list[tuple[int, int, int]]:
    """Sweep over the ports where a range begins or has ended; ports between two such are alike."""
    begins, ends = defaultdict(list), defaultdict(list)
    for span in named:
        begins[span.first].append(span)
        ends[span.last + 1].append(span)
    edges = sorted({*begins, *ends})
    open_ranges: set[PortRange] = set()
    numbers: dict[frozenset[PortRange], int] = {}
    found = []
    for edge, following in zip(edges, [*edges[1:], edges[-1]], strict=True):
        open_ranges.difference_update(ends[edge])
        open_ranges.update(begins[edge])
        if not open_ranges:
            continue
        number = numbers.setdefault(frozenset(open_ranges), len(numbers) + 1)
        found.append((edge, following - 1, number))
        for span in open_ranges:
            members[span].add(number)
    return found
