"""Plots drawn by as many processes as there are processors: matplotlib holds one processor for most of a report's time."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from harness.report.forked import Forked
from harness.report.plots.canvas import Plot

Drawing = Callable[[], list[Plot]]


def drawn(drawings: Sequence[Drawing], processes: int | None = None) -> list[list[Plot]]:
    """What each drawing gives, in their order, by ``processes`` (as many as may be used here). Raises what a drawing raises.

    Children are forked, so that they need not read the run again, and take the next drawing when they have finished one.
    What a child that died has taken is drawn here.
    """
    count = min(processes or len(os.sched_getaffinity(0)), len(drawings))
    if count < 2:
        return [drawing() for drawing in drawings]
    taken = multiprocessing.get_context("fork").Value("i", 0)

    def take(_: Connection | None = None) -> dict[int, list[Plot]]:
        return _take(drawings, taken)

    children = [Forked(take) for _ in range(count - 1)]
    try:
        found = take()
        for child in children:
            try:
                found |= child.result()
            except EOFError:
                continue
    finally:
        for child in children:
            child.end()
    return [found[index] if index in found else drawing() for index, drawing in enumerate(drawings)]


def _take(drawings: Sequence[Drawing], taken: Any) -> dict[int, list[Plot]]:
    found: dict[int, list[Plot]] = {}
    while True:
        with taken.get_lock():
            index = taken.value
            taken.value += 1
        if index >= len(drawings):
            return found
        found[index] = drawings[index]()
