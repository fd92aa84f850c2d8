"""Work of a report that a second processor does meanwhile."""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Forked(Generic[Result]):
    """``work`` done by a child, which has all that its parent has read, and ends when its parent does.

    ``work`` gets a connection on which it receives what it is told later.
    """

    def __init__(self, work: Callable[[Connection], Result]) -> None:
        context = get_context("fork")
        self._here, there = context.Pipe()
        self._child = context.Process(target=_work, args=(work, self._here, there), daemon=True)
        self._child.start()
        there.close()

    def tell(self, what: object) -> None:
        """Raises OSError where the child has died."""
        self._here.send(what)

    def result(self) -> Result:
        """What ``work`` gave. Raises what it raised, EOFError or OSError where the child died before."""
        got = self._here.recv()
        if isinstance(got, Exception):
            raise got
        found: Result = got
        return found

    def end(self) -> None:
        """Wait no more for a result, only for the child's end."""
        self._here.close()
        self._child.join()


def _work(work: Callable[[Connection], Result], here: Connection, there: Connection) -> None:
    here.close()
    try:
        there.send(work(there))
    except (KeyboardInterrupt, EOFError, BrokenPipeError, ConnectionResetError):  # nobody waits for it any more
        return
    except Exception as fault:
        there.send(fault)
