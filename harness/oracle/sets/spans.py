"""Sets of integers as sorted, disjoint, half-open spans."""

from bisect import bisect_right
from collections.abc import Iterable

Span = tuple[int, int]
Spans = tuple[Span, ...]


def union(spans: Iterable[Span]) -> Spans:
    """All points of ``spans``, which may overlap and be empty."""
    merged: list[Span] = []
    for low, high in sorted(span for span in spans if span[0] < span[1]):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def minus(spans: Spans, holes: Spans) -> Spans:
    """The points of ``spans`` that are not in ``holes``."""
    left: list[Span] = []
    for low, high in spans:
        for start, end in holes:
            if start < high and low < end:
                left.append((low, start))
                low = max(low, end)  # noqa: PLW2901 - what is left of this span begins behind the hole
        left.append((low, high))
    return union(left)


def contains(spans: Spans, point: int) -> bool:
    """Whether ``point`` is in the set."""
    position = bisect_right(spans, point, key=lambda span: span[0])
    return position > 0 and point < spans[position - 1][1]
