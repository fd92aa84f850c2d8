"""The programs in a lab's pods that make and take calls of gRPC: started once, spoken to over and over."""

import json
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from harness.lab.port import Lab, LabError, LabPod, Process
from harness.traffic.port import LoadFailed

HERE = Path(__file__).parent
READY = 60.0  # seconds until all programs run: Python starts slowly, and many at once more so
PATIENCE = 60.0  # beyond the deadlines of calls, for a program to say what came of them on a machine that stands still
_POLL = 0.01


class Server:
    """A server in a pod, and what it has written down."""

    def __init__(self, pod: LabPod, ports: Sequence[int], diary: Path) -> None:
        self.diary = diary
        self.diary.touch()
        argv = [sys.executable, str(HERE / "server.py"), pod.pod.ref, str(diary), *map(str, ports)]
        self.process = _started(pod, argv, "server")

    def count(self) -> int:
        """How many bytes it has written down."""
        return self.diary.stat().st_size

    def arrived(self, since: int = 0) -> list[dict[str, Any]]:
        """What arrived since it had written down so many bytes; see server.py."""
        with self.diary.open("rb") as diary:
            diary.seek(since)
            return [json.loads(line) for line in diary.read().splitlines(keepends=True) if line.endswith(b"\n")]


class Client:
    """A client in a pod. It may be asked from several threads; each of its answers is for the one that asked."""

    def __init__(self, pod: LabPod, path: Path) -> None:
        self._what = f"the client of gRPC in pod {pod.pod.ref}"
        self._path = path
        self._speaking = Lock()
        self.process = _started(pod, [sys.executable, str(HERE / "client.py"), str(path)], "probe")

    def do(self, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Have all done at the same time; what came of each, in order. Raises LoadFailed."""
        seconds = max((float(each.get("seconds", 0.0)) for each in asked), default=0.0)
        try:
            with self._speaking, socket.socket(socket.AF_UNIX) as spoken, spoken.makefile("rw") as lines:
                spoken.settimeout(seconds + PATIENCE)
                spoken.connect(str(self._path))
                lines.write(json.dumps(asked) + "\n")
                lines.flush()
                line = lines.readline()
        except OSError as error:
            raise LoadFailed(f"{self._what}: {error}; its log is {self.process.log}") from error
        if not line:
            raise LoadFailed(f"{self._what} said nothing; its log is {self.process.log}")
        said: list[dict[str, Any]] = json.loads(line)
        return said


class CallPrograms:
    """All of a lab, by ``namespace/name``."""

    def __init__(self, lab: Lab, servers: Mapping[str, Server], clients: Mapping[str, Client]) -> None:
        self.lab = lab
        self.servers = servers
        self.clients = clients


@contextmanager
def call_programs(lab: Lab, clients: Iterable[str], servers: Iterable[str], ports: Sequence[int]) -> Iterator[CallPrograms]:
    """A client in each of the pods ``clients`` and a server in each of ``servers``, on all ``ports``. Entered when all run.

    Raises LoadFailed where one does not; LabError for a pod that is not there.
    """
    running: list[Process] = []
    with tempfile.TemporaryDirectory(prefix="meshproof-calls-") as folder:
        try:
            took: dict[str, Server] = {}
            made: dict[str, Client] = {}
            for number, ref in enumerate(dict.fromkeys(servers)):
                took[ref] = Server(lab.pod(ref), ports, Path(folder, f"diary-{number}"))
                running.append(took[ref].process)
            for number, ref in enumerate(dict.fromkeys(clients)):
                made[ref] = Client(lab.pod(ref), Path(folder, f"client-{number}"))
                running.append(made[ref].process)
            _await_all({f"the server of gRPC in pod {ref}": each.process for ref, each in took.items()}, "serving")
            _await_all({f"the client of gRPC in pod {ref}": each.process for ref, each in made.items()}, "ready")
            yield CallPrograms(lab, took, made)
        finally:
            for process in running:
                process.stop()


def _started(pod: LabPod, argv: Sequence[str], component: str) -> Process:
    try:
        return pod.start(argv, component=component)
    except LabError as error:
        raise LoadFailed(str(error)) from error


def _await_all(processes: Mapping[str, Process], word: str) -> None:
    deadline = time.monotonic() + READY
    for what, process in processes.items():
        while word not in process.log.read_text(errors="replace").splitlines():
            if process.poll() is not None:
                said = process.log.read_text(errors="replace").strip()[-300:]
                raise LoadFailed(f"{what} ended with status {process.poll()}: {said}")
            if time.monotonic() > deadline:
                raise LoadFailed(f"{what} does not run after {READY:g} s; its log is {process.log}")
            time.sleep(_POLL)
