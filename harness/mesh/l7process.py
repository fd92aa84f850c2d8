"""The process of a fast path's agent: started, told what is in force, and followed by another when it dies."""

import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock, Thread

from harness.lab.build import ROOT
from harness.lab.port import LabError, Place, Process
from harness.mesh.errors import MeshError
from harness.mesh.l7law import Law
from harness.mesh.l7messages import Done, Failed, Forget, Judge, Messages, Trouble, line

COMPONENT = "l7-agent"
PROGRAM = (sys.executable, "-P", "-m", "harness.mesh.l7agent")
START_SECONDS = 30.0
ANSWER_SECONDS = 30.0
END_SECONDS = 5.0
"""For answers under way (``l7agent.DRAIN_SECONDS``), and on a busy machine."""

STEADY_SECONDS = 5.0
"""One that has lived so long is followed at once."""

FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
"""Seconds before another follows one that has not; twice as long each time."""

READ_BYTES = 1 << 16
LAST_WORDS = 5
_KILLED = (0, -signal.SIGKILL, -signal.SIGTERM)
"""Statuses of those that somebody else has ended."""


class AgentFailed(MeshError):
    """An agent does not do what it should: which, what is known of the reason, and its log."""


class _Dead(Exception):
    """The agent is there no more, or might as well not be."""


@dataclass(slots=True)
class _Running:
    process: Process
    socket: socket.socket
    ended: int
    """A pidfd: readable when the process has ended."""

    since: float = field(default_factory=time.monotonic)
    messages: Messages = field(default_factory=Messages)

    def close(self) -> None:
        self.socket.close()
        os.close(self.ended)


class AgentProcess:
    """Methods raise AgentFailed, and LabError where the process cannot be started.

    A request is judged by the policy in force whether an agent runs or not: without one the kernel knows nothing of a new
    generation, and asks the proxy. So an agent that dies while it is told something is no error: the next is told it.
    """

    def __init__(
        self, place: Place, title: str, pins: Path, proxy: Path, listening: Path, program: Sequence[str] = PROGRAM,
        more: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """``title`` is for messages; ``listening`` is the path of a Unix socket of its own. The rest is for ``program``."""
        self._place = place
        self._title = title
        self._listening = listening
        self._argv = [*program, str(pins), str(proxy), str(listening), *more]
        self._lock = RLock()
        self._judged: Judge | None = None
        self._running: _Running | None = None
        self._trouble: AgentFailed | None = None
        self._wait = 0.0
        self._ended = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._watcher = Thread(target=self._watch, name=f"watch-{title}", daemon=True)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process that serves; empty when none does."""
        running = self._running
        return (running.process.pid,) if running is not None and running.process.poll() is None else ()

    def start(self) -> None:
        """Start it; returns when it serves."""
        with self._lock:
            self._begin()
        self._watcher.start()

    def stop(self) -> None:
        """End it. Raises the first trouble that an agent met, if any."""
        self._ended = True
        os.eventfd_write(self._wake, 1)
        if self._watcher.ident is not None:
            self._watcher.join()
        with self._lock:
            self._finish()
        os.close(self._wake)
        if self._trouble is not None:
            raise self._trouble

    def judge_by(self, generation: int, law: Law) -> None:
        """Have requests judged so while ``generation`` is in force; returns when they are."""
        with self._lock:
            self._judged = Judge(generation, law)
            self._tell(self._judged)

    def forget(self, addresses: Sequence[str]) -> None:
        """Nothing is known of these addresses any more, nor open in their name, when this returns."""
        with self._lock:
            self._tell(Forget(tuple(addresses)))

    def replace(self, *, kill: bool) -> None:
        """End it or kill it, and start another; returns when that serves."""
        with self._lock:
            running = self._running
            if kill and running is not None:
                running.process.signal(signal.SIGKILL)
                running.process.wait(END_SECONDS)
            self._finish()
            self._begin()

    def _begin(self) -> None:
        self._listening.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(self._listening))
            listener.listen(1)
            path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
            process = self._place.start(self._argv, component=COMPONENT, env={**os.environ, "PYTHONPATH": path})
            ended = os.pidfd_open(process.pid)
            serves = listener.fileno() in _readable((listener.fileno(), ended), START_SECONDS)
            connected = listener.accept()[0] if serves else None
            self._listening.unlink()
        if connected is None:
            os.close(ended)
            process.stop()
            raise AgentFailed(f"{self._title} does not serve: {_said(process)}")
        connected.settimeout(ANSWER_SECONDS)
        self._running = _Running(process, connected, ended)
        if self._judged is not None:
            self._told_first(self._judged)

    def _told_first(self, judged: Judge) -> None:
        try:
            self._ask(judged)
        except _Dead:
            process = self._finish()
            raise AgentFailed(f"{self._title} died as soon as it served: {_said(process)}") from None

    def _finish(self) -> Process | None:
        """End it, if it runs, and note what it has met."""
        running, self._running = self._running, None
        if running is None:
            return None
        running.process.stop(END_SECONDS)
        status = running.process.poll()
        try:
            while data := running.socket.recv(READ_BYTES):
                for message in running.messages.of(data):
                    self._note(message)
        except OSError:
            pass
        if status not in _KILLED:
            self._note(Trouble(f"ended with status {status}: {_said(running.process)}"))
        running.close()
        return running.process

    def _tell(self, message: Judge | Forget) -> None:
        try:
            self._ask(message)
        except _Dead:
            self._finish()
            self._begin()

    def _ask(self, message: Judge | Forget) -> None:
        running = self._running
        if running is None:
            raise _Dead
        try:
            running.socket.sendall(line(message))
            while data := running.socket.recv(READ_BYTES):
                for answer in running.messages.of(data):
                    if isinstance(answer, Done):
                        return
                    if isinstance(answer, Failed):
                        raise AgentFailed(f"{self._title}: {answer.why}")
                    self._note(answer)
        except TimeoutError:
            self._note(Trouble(f"has not answered in {ANSWER_SECONDS:g} s: {_said(running.process)}"))
            raise _Dead from None
        except OSError:
            pass
        _readable((running.ended,), END_SECONDS)  # what it dies of is told by its status
        raise _Dead

    def _note(self, message: object) -> None:
        if isinstance(message, Trouble) and self._trouble is None:
            self._trouble = AgentFailed(f"{self._title}: {message.why}")

    def _watch(self) -> None:
        """Have another follow one that has died, until ``stop``."""
        while not self._ended:
            with self._lock:
                running = self._running
                ended = None if running is None else os.dup(running.ended)
            if ended is not None:
                _readable((ended, self._wake))
                os.close(ended)
            lived = 0.0 if running is None else time.monotonic() - running.since
            self._wait = 0.0 if lived > STEADY_SECONDS else min(max(FIRST_WAIT, 2 * self._wait), LONGEST_WAIT)
            _readable((self._wake,), self._wait)
            with self._lock:
                if not self._ended and self._running is running:
                    self._follow()

    def _follow(self) -> None:
        try:
            self._finish()
            self._begin()
        except (AgentFailed, LabError) as error:  # it is tried again
            self._note(Trouble(str(error)))


def _readable(descriptors: Sequence[int], seconds: float | None = None) -> list[int]:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)]


def _said(process: Process | None) -> str:
    if process is None:
        return "it had not been started"
    with process.log.open(errors="replace") as log:
        lines = [said.strip() for said in deque(log, LAST_WORDS) if said.strip()]
    return f"it said {' | '.join(lines)!r} ({process.log})" if lines else f"it said nothing ({process.log})"
