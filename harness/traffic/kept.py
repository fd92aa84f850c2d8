"""Programs in pods that are kept across the cases of a lab: started once, spoken to over and over."""

import json
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from harness.lab.build import ROOT
from harness.lab.port import LabError, LabPod, Process
from harness.model.flow import Flow
from harness.traffic.port import LoadFailed
from harness.traffic.told import READY

STARTED = 60.0  # seconds until all programs run: Python starts slowly, and many at once more so
PATIENCE = 60.0  # beyond the deadlines of what is asked, for a program to say what came of it on a machine that stands still
_POLL = 0.01


class KeptClient:
    """A client in a pod (told.py). It may be asked from several threads; each of its answers is for the one that asked."""

    def __init__(self, of: str, pod: LabPod, program: Path, path: Path) -> None:
        self.what = f"the client of {of} in pod {pod.pod.ref}"
        self._path = path
        self._speaking = Lock()
        self.process = started(pod, program, [str(path)], "probe")

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
            raise LoadFailed(f"{self.what}: {error}; its log is {self.process.log}") from error
        if not line:
            raise LoadFailed(f"{self.what} said nothing; its log is {self.process.log}")
        said: list[dict[str, Any]] = json.loads(line)
        return said


def started(pod: LabPod, program: Path, arguments: Sequence[str], component: str) -> Process:
    """A program of this harness, which takes what it imports from where that does. Raises LoadFailed."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        argv = [sys.executable, str(program), *arguments]
        return pod.start(argv, component=component, env={**os.environ, "PYTHONPATH": path})
    except LabError as error:
        raise LoadFailed(str(error)) from error


def await_clients(clients: Sequence[KeptClient]) -> None:
    """Return when all are ready. Raises LoadFailed."""
    await_all({each.what: each.process for each in clients}, READY)


def await_all(processes: Mapping[str, Process], word: str) -> None:
    """Return when all have written ``word`` on a line of their own. Raises LoadFailed for one that ends, or is late."""
    deadline = time.monotonic() + STARTED
    for what, process in processes.items():
        while word not in process.log.read_text(errors="replace").splitlines():
            look(what, process, deadline)
            time.sleep(_POLL)


def look(what: str, process: Process, deadline: float) -> None:
    """Raise LoadFailed if a program that is waited for has ended, or if it is late."""
    if process.poll() is not None:
        said = process.log.read_text(errors="replace").strip()[-300:]
        raise LoadFailed(f"{what} ended with status {process.poll()}: {said}")
    if time.monotonic() > deadline:
        raise LoadFailed(f"{what} does not run after {STARTED:g} s; its log is {process.log}")


def told(flows: Sequence[Flow], things: Sequence[Mapping[str, Any]], clients: Mapping[str, KeptClient]) -> list[dict[str, Any]]:
    """What came of ``things``, of which each is for the client of the flow at the same place. Raises LoadFailed."""
    by_client: dict[str, list[int]] = {}
    for index, flow in enumerate(flows):
        by_client.setdefault(flow.source, []).append(index)

    def tell(ref: str) -> list[dict[str, Any]]:
        return clients[ref].do([things[index] for index in by_client[ref]])

    seen: dict[int, dict[str, Any]] = {}
    with ThreadPoolExecutor(max(1, len(by_client))) as pool:
        for ref, said in zip(by_client, pool.map(tell, by_client), strict=True):
            seen.update(zip(by_client[ref], said, strict=True))
    return [seen[index] for index in range(len(flows))]
