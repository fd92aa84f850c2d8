"""What a wire between two nodes carries."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.lab.port import Lab

SECONDS = 5.0


@contextmanager
def captured(lab: Lab, node: str, other: str) -> Iterator[Path]:
    """What goes over the wire from ``node`` to ``other``, as a file."""
    interface, _ = lab.node(node).wires[other]
    capture = lab.folder / "wire.pcap"
    argv = ["tcpdump", "-i", interface, "-U", "--immediate-mode", "-w", str(capture), "tcp"]
    process = lab.node(node).start(argv, component="tool")
    try:
        await_bytes(process.log, b"listening on")
        yield capture
    finally:
        process.stop()


def await_bytes(path: Path, wanted: bytes) -> None:
    deadline = time.monotonic() + SECONDS
    while not (path.exists() and wanted in path.read_bytes()):
        assert time.monotonic() < deadline, f"{path} does not hold {wanted!r} after {SECONDS} s"
        time.sleep(0.01)
