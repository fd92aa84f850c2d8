"""A server that delays its answers by exactly as much as each request asks for: what a known effect on latency is made of."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.lab.build import c_program
from harness.lab.port import LabError, LabPod, Process

SOURCE = Path(__file__).with_name("delayed.c")
COMPONENT = "server"
READY = 5.0  # seconds until it must listen
GIVEN = np.dtype([("asked", "<u8"), ("waited", "<u8")])
"""``struct given`` of delayed.c: ns from when a request was read until its answer was sent, as asked for and as they were."""


def after(seconds: float) -> str:
    """The path that is answered so much later than it is read."""
    return f"/after/{round(seconds * 1e9)}"


class Delays:
    """What the server did; known when it has ended."""

    def __init__(self) -> None:
        self.given: npt.NDArray[np.void] = np.zeros(0, GIVEN)

    def waited(self, seconds: float) -> float:
        """The median wait, in seconds, of the requests that asked for ``seconds``; NaN where none did."""
        found = self.given["waited"][self.given["asked"] == round(seconds * 1e9)]
        return float(np.median(found)) / 1e9 if len(found) else float("nan")


@contextmanager
def serve_delayed(pod: LabPod, port: int) -> Iterator[Delays]:
    """The server in ``pod``, on all its IPv4 addresses, until the context is left. Raises LabError with its own words."""
    delays = Delays()
    with tempfile.TemporaryFile() as output:
        # A file without a name needs no clean-up, even after SIGKILL; the server opens it through this process.
        path = f"/proc/{os.getpid()}/fd/{output.fileno()}"
        with started(pod, [str(c_program(SOURCE)), str(port), path]) as process:
            yield delays
        if process.poll() != 0:
            raise failed(pod, SOURCE.stem, process)
        output.seek(0)
        delays.given = np.fromfile(output, dtype=GIVEN)


@contextmanager
def started(pod: LabPod, argv: Sequence[str]) -> Iterator[Process]:
    """A program of ours beside the pod's server, billed with it, from its line ``ready`` on. Raises LabError."""
    process = pod.start(argv, component=COMPONENT)
    try:
        deadline = time.monotonic() + READY
        while "ready" not in process.log.read_text(errors="replace").splitlines():
            if process.poll() is not None or time.monotonic() > deadline:
                raise failed(pod, Path(argv[0]).name, process)
            time.sleep(0.002)
        yield process
    finally:
        process.stop()


def failed(pod: LabPod, name: str, process: Process) -> LabError:
    """Why a program of ours is not there, in its own words."""
    status, said = process.poll(), process.log.read_text(errors="replace").strip()
    how = "does not say that it is ready" if status is None else f"ended with status {status}"
    return LabError(f"{name} in pod {pod.pod.ref} {how}: {said or 'it printed nothing'}")
