"""One pod's traffic in one direction as a plane of peers by messages, painted with decisions."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from harness.model.flow import Verdict
from harness.model.verdict import Decision
from harness.oracle.sets.claims import Box, Chapter
from harness.oracle.sets.messages import cuts
from harness.oracle.sets.spans import contains

_OPEN = Decision(Verdict.FORWARDED, None, "no policy isolates")


class Plane:
    """The plane of ``subject`` under the chapters that select it.

    Paint covers paint: first the ground (open or closed), then the allow rules from last to first, then the deny rules from
    last to first. What shows at a point is the decision. Peers between two edges of any rectangle share one painted column.
    """

    def __init__(self, subject: int, chapters: Iterable[Chapter]) -> None:
        here = [chapter for chapter in chapters if subject in chapter.subjects]
        isolating = [chapter.isolates for chapter in here if chapter.isolates is not None]
        self._ground = Decision(Verdict.DROPPED, isolating[0], "isolated, and no rule allows") if isolating else _OPEN
        layers: list[tuple[Box, Decision]] = []
        if isolating:  # where nothing isolates, allowing changes nothing
            for chapter in reversed(here):
                for box in reversed(list(chapter.allow(subject))):
                    layers.append((box, Decision(Verdict.FORWARDED, box.origin, "allowed by rule")))
        for chapter in reversed(here):
            for box in reversed(list(chapter.deny(subject))):
                layers.append((box, Decision(Verdict.DROPPED, box.origin, "denied by rule")))
        self._layers = layers
        self._edges = sorted(set(cuts(box.peers for box, _ in layers)))
        self._columns: dict[int, tuple[list[int], list[Decision]]] = {}

    def at(self, peer: int, message: int) -> Decision:
        """The decision at a point."""
        number = bisect_right(self._edges, peer)
        if number not in self._columns:
            self._columns[number] = self._paint(peer)
        edges, decisions = self._columns[number]
        return decisions[bisect_right(edges, message)]

    def _paint(self, peer: int) -> tuple[list[int], list[Decision]]:
        """The column of ``peer``: edges, and a decision below the first, between any two, and above the last."""
        layers = [(box.messages, decision) for box, decision in self._layers if contains(box.peers, peer)]
        edges = sorted(set(cuts(messages for messages, _ in layers)))
        decisions = [self._ground] * (len(edges) + 1)
        for messages, decision in layers:
            for low, high in messages:
                first, last = bisect_left(edges, low) + 1, bisect_left(edges, high)
                decisions[first : last + 1] = [decision] * (last + 1 - first)
        return edges, decisions
