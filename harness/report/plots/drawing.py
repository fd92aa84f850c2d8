"""Plots drawn by as many processes as there are processors: matplotlib holds one processor for most of a report's time."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from harness.report.plots.canvas import Plot

Drawing = Callable[[], list[Plot]]


def drawn(drawings: Sequence[Drawing], processes: int | None = None) -> list[list[Plot]]:
    """What each drawing gives, in their order, by ``processes`` (as many as may be used here). Raises what a drawing raises.

    Children are forked, so that they need not read the run again, take the next drawing when they have finished one, and
    end when their parent does. What a child that died has taken is drawn here.
    """
    count = min(processes or len(os.sched_getaffinity(0)), len(drawings))
    if count < 2:
        return [drawing() for drawing in drawings]
    context = multiprocessing.get_context("fork")
    taken = context.Value("i", 0)
    children = []
    for _ in range(count - 1):
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(drawings, taken, here, there), daemon=True)
        child.start()
        there.close()
        children.append((child, here))
    try:
        found = _take(drawings, taken)
        for _, here in children:
            found |= _received(here)
    finally:
        for child, here in children:
            here.close()
            child.join()
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


def _child(drawings: Sequence[Drawing], taken: Any, here: Connection, there: Connection) -> None:
    here.close()
    try:
        there.send(_take(drawings, taken))
    except KeyboardInterrupt:
        return
    except BrokenPipeError:  # nobody waits for it any more
        return
    except Exception as fault:
        there.send(fault)


def _received(here: Connection) -> dict[int, list[Plot]]:
    try:
        got = here.recv()
    except EOFError:
        return {}
    if isinstance(got, Exception):
        raise got
    found: dict[int, list[Plot]] = got
    return found
