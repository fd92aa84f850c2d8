"""Work that a signal must not cut short."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

_T = TypeVar("_T")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_deferred(on_arrival: Callable[[], None] = lambda: None) -> Iterator[Sequence[int]]:
    """Signals that end a program wait until the context is left; ``on_arrival`` is called at once, and must not raise.

    Yields the numbers of those that have arrived so far. In a thread other than the main one, where no handler runs, there
    is nothing to defer.
    """
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        on_arrival()

    # A signal that is ignored (nohup, say) stays so; a handler that is not Python's (None) could not be put back.
    before = {each: handler for each in SIGNALS if (handler := signal.getsignal(each)) not in (signal.SIG_IGN, None)}
    for each in before:
        signal.signal(each, note)
    try:
        yield arrived
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in arrived:
            signal.raise_signal(number)


def in_own_thread(work: Callable[[], _T], on_signal: Callable[[], None] = lambda: None) -> _T:
    """Do ``work`` in a thread that it may leave in any network namespace; signals wait for its end.

    They are deferred, not caught: an exception out of ``Thread.join`` can leave Python believing that the thread has ended.
    """
    outcome: Future[_T] = Future()

    def body() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # handed over to the caller, whatever it is
            outcome.set_exception(error)

    thread = threading.Thread(target=body, name="lab")
    with signals_deferred(on_signal):
        thread.start()
        thread.join()
    return outcome.result()
