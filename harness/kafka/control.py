"""The proxy of one node as the harness has it: its process, what it is told, and what it has refused."""

import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.kafka.protocol import READY, line
from harness.kafka.records import RefusedRequest, refused_requests
from harness.kafka.rules import Ports
from harness.lab.port import LabNode, Process

COMPONENT = "kafka-proxy"
READY_SECONDS = 60.0
TOLD_SECONDS = 30.0
_POLL_SECONDS = 0.01


class KafkaProxyError(Exception):
    """A proxy does not run, or does not do as it is told."""


class KafkaProxy:
    """Started when it is first told something. Methods raise KafkaProxyError and LabError. ``folder`` is its own."""

    def __init__(self, node: LabNode, folder: Path, port: int) -> None:
        self.node = node
        self._control, self._records = folder / "kafka.sock", folder / "kafka-refused.log"
        self._port = port
        self._process: Process | None = None
        self._told: bytes | None = None
        self._forgotten = 0

    @property
    def pids(self) -> tuple[int, ...]:
        """The process, none where it does not run."""
        return (self._process.pid,) if self._process is not None and self._process.poll() is None else ()

    def judge_by(self, laws: Sequence[Sequence[Ports]]) -> None:
        """Later requests must be allowed by all of ``laws``; returns when that is so."""
        told = line(laws)
        if self.pids and told == self._told:
            return
        if not self.pids:
            self._start()
        self._tell(told)
        self._told = told

    def restart(self) -> None:
        """Kill it, and start it anew with what it was told; its connections end."""
        if self._told is not None:
            self.stop()
            self._start()
            self._tell(self._told)

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.stop()
        self._process = None
        self._control.unlink(missing_ok=True)

    def refusals(self) -> Iterator[RefusedRequest]:
        """What it has refused since it was last told to forget, in order."""
        return refused_requests(self._records, self._forgotten)

    def forget_refusals(self) -> None:
        """Look no more at what was refused until now."""
        self._forgotten = self._records.stat().st_size if self._records.exists() else 0

    def _start(self) -> None:
        argv = [sys.executable, "-m", "harness.kafka.proxy", str(self._control), str(self._records), str(self._port)]
        self._process = self.node.start(argv, component=COMPONENT)
        deadline = time.monotonic() + READY_SECONDS
        while READY not in self._process.log.read_text(errors="replace").splitlines():
            if self._process.poll() is not None:
                raise KafkaProxyError(f"{self._what} ended with status {self._process.poll()}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise KafkaProxyError(f"{self._what} is not ready after {READY_SECONDS:g} s; its log is {self._process.log}")
            time.sleep(_POLL_SECONDS)

    def _tell(self, told: bytes) -> None:
        try:
            with socket.socket(socket.AF_UNIX) as spoken:
                spoken.settimeout(TOLD_SECONDS)
                spoken.connect(str(self._control))
                spoken.sendall(told)
                if spoken.recv(1) != b"\n":
                    raise KafkaProxyError(f"{self._what} did not take a change: {self._last_words()}")
        except OSError as error:
            raise KafkaProxyError(f"{self._what} did not take a change: {error}") from error

    @property
    def _what(self) -> str:
        return f"the proxy for Kafka of node {self.node.name}"

    def _last_words(self) -> str:
        return "" if self._process is None else self._process.log.read_text(errors="replace").strip()[-300:]
