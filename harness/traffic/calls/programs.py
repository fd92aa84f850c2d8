"""The programs in a lab's pods that make and take calls of gRPC: started once, spoken to over and over."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.lab.ends import end
from harness.lab.port import Lab, LabPod, Process
from harness.traffic.kept import KeptClient, await_all, await_clients, started

HERE = Path(__file__).parent


class Server:
    """A server in a pod, and what it has written down."""

    def __init__(self, pod: LabPod, ports: Sequence[int], diary: Path) -> None:
        self.diary = diary
        self.diary.touch()
        self.process = started(pod, HERE / "server.py", [pod.pod.ref, str(diary), *map(str, ports)], "server")

    def count(self) -> int:
        """How many bytes it has written down."""
        return self.diary.stat().st_size

    def arrived(self, since: int = 0) -> list[dict[str, Any]]:
        """What arrived since it had written down so many bytes; see server.py."""
        with self.diary.open("rb") as diary:
            diary.seek(since)
            return [json.loads(line) for line in diary.read().splitlines(keepends=True) if line.endswith(b"\n")]


class CallPrograms:
    """All of a lab, by ``namespace/name``."""

    def __init__(self, lab: Lab, servers: Mapping[str, Server], clients: Mapping[str, KeptClient]) -> None:
        self.lab = lab
        self.servers = servers
        self.clients = clients


@contextmanager
def call_programs(lab: Lab, clients: Iterable[str], servers: Iterable[str], ports: Sequence[int]) -> Iterator[CallPrograms]:
    """A client in each of ``clients``, pods or hosts outside, and a server in each of ``servers``, on all ``ports``.

    Entered when all run.
    Raises LoadFailed where one does not; LabError for a pod that is not there.
    """
    running: list[Process] = []
    with tempfile.TemporaryDirectory(prefix="meshproof-calls-") as folder:
        try:
            took: dict[str, Server] = {}
            made: dict[str, KeptClient] = {}
            for number, ref in enumerate(dict.fromkeys(servers)):
                took[ref] = Server(lab.pod(ref), ports, Path(folder, f"diary-{number}"))
                running.append(took[ref].process)
            for number, ref in enumerate(dict.fromkeys(clients)):
                made[ref] = KeptClient("gRPC", end(lab, ref), HERE / "client.py", Path(folder, f"client-{number}"))
                running.append(made[ref].process)
            await_all({f"the server of gRPC in pod {ref}": each.process for ref, each in took.items()}, "serving")
            await_clients(list(made.values()))
            yield CallPrograms(lab, took, made)
        finally:
            for process in running:
                process.stop()
