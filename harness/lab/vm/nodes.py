"""Nodes that are machines: each runs the same program with its own share, and they are brought together line by line."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

from harness.lab.addressing import NodePlan, plan
from harness.lab.port import LabError
from harness.lab.vm.hub import serve
from harness.lab.vm.kernels import kernel
from harness.lab.vm.machines import workplace
from harness.lab.vm.qemu import guest, last_words
from harness.lab.vm.vagrant import vagrant_nodes
from harness.model.topology import Topology

START_SECONDS = 180.0
FETCH_SECONDS = 60.0
FILE = "outcomes.json"
_CHANNEL = "meshproof"
_POLL = 0.1
_OPEN_CHANNEL = """modprobe virtio_console; modprobe virtio_net
for port in /sys/class/virtio-ports/*; do ln -s "/dev/${port##*/}" "/dev/$(cat "$port/name")"; done
"""

Told = Callable[[str], None]
Program = Callable[[str, str, str], Sequence[str]]
"""Arguments for this Python, of a node's name, the channel by which the others are heard, and the file that it is to write."""


@dataclass(slots=True)
class _Running:
    """A node's program: how it is talked to, what it says beside, and how its file is had when it has ended."""

    channel: tuple[IO[str], IO[str]]
    output: Path
    words: Callable[[], str]
    status: Callable[[], int | None]
    file: Callable[[], bytes]


def on_machines(
    lab: str, kernel_name: str, topology: Topology, program: Program, *, seconds: float, told: Told = lambda _line: None
) -> bytes:
    """Run ``program`` on the nodes of ``topology``, a machine each: by ``qemu`` or ``vagrant``; the file of the first node.

    Raises LabError where a node does not come to its end in ``seconds``, or fails.
    """
    nodes = plan(topology).nodes
    begin = {"qemu": _in_qemu, "vagrant": _by_vagrant}[lab]
    with begin(kernel_name, nodes, program, told) as running:
        hub = Thread(target=serve, args=({name: each.channel for name, each in running.items()},), name="hub", daemon=True)
        hub.start()
        _await(running, seconds, told)
        return running[nodes[0].name].file()


def _await(running: Mapping[str, _Running], seconds: float, told: Told) -> None:
    """Return when all have ended well."""
    deadline = time.monotonic() + seconds
    first = next(iter(running.values()))
    heard = 0
    ended: dict[str, int] = {}
    while len(ended) < len(running):
        time.sleep(_POLL)
        lines = first.output.read_text(errors="replace").splitlines() if first.output.exists() else []
        for line in lines[heard:]:
            told(line)
        heard = len(lines)
        for name, each in running.items():
            status = each.status()
            if status is not None:
                ended[name] = status
                if status != 0:
                    raise LabError(f"node {name} failed: {each.words()}")
        if time.monotonic() > deadline:
            slow = next(name for name in running if name not in ended)
            raise LabError(f"node {slow} did not end within {seconds:g} s: {running[slow].words()}")


@contextmanager
def _in_qemu(kernel_name: str, nodes: Sequence[NodePlan], program: Program, told: Told) -> Iterator[dict[str, _Running]]:
    fetched = kernel(kernel_name)
    told(f"starting {', '.join(node.name for node in nodes)} in QEMU with Linux {fetched.release}")
    with workplace("qemu") as folder, ExitStack() as stack:
        running = {}
        for node in nodes:
            own = folder / node.name
            own.mkdir()
            listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listening.bind(str(own / "channel"))
            listening.listen(1)
            listening.settimeout(START_SECONDS)
            words = " ".join(f"'{word}'" for word in program(node.name, f"/dev/{_CHANNEL}", f"/job/{FILE}"))
            script = f'{_OPEN_CHANNEL}exec "$python" -P {words}'
            process = stack.enter_context(guest(fetched, script, own, _devices(node, own)))
            try:
                channel = listening.accept()[0]
            except TimeoutError:
                raise LabError(f"QEMU did not start within {START_SECONDS:g} s: {last_words(own)}") from None
            running[node.name] = _guest_running(process, channel, own)
        yield running


def _devices(node: NodePlan, own: Path) -> list[str]:
    devices = ["-device", "virtio-serial", "-chardev", f"socket,id=channel,path={own / 'channel'}"]
    devices += ["-device", f"virtserialport,chardev=channel,name={_CHANNEL}"]
    for wire in node.wires:
        near, far = own.parent / f"{node.name}={wire.peer}", own.parent / f"{wire.peer}={node.name}"
        ends = f"local.type=unix,local.path={near},remote.type=unix,remote.path={far}"
        devices += ["-netdev", f"dgram,id={wire.ifname},{ends}"]
        devices += ["-device", f"virtio-net-pci,netdev={wire.ifname},mac={wire.mac}"]
    return devices


def _guest_running(process: subprocess.Popen[bytes], channel: socket.socket, own: Path) -> _Running:
    def status() -> int | None:
        if process.poll() is None:
            return None
        told = own / "job/status"
        return int(told.read_text()) if told.exists() and (own / "job" / FILE).exists() else 1

    ends = channel.makefile("r", encoding="ascii"), channel.makefile("w", encoding="ascii")
    return _Running(ends, own / "job/output", lambda: last_words(own), status, (own / "job" / FILE).read_bytes)


@contextmanager
def _by_vagrant(kernel_name: str, nodes: Sequence[NodePlan], program: Program, told: Told) -> Iterator[dict[str, _Running]]:
    with vagrant_nodes(kernel_name, nodes, told) as up, workplace("vagrant") as folder, ExitStack() as stack:
        running = {}
        for node in up:
            log = folder / f"{node.name}.log"
            process = node.start(
                [sys.executable, "-P", *program(node.name, "-", f"/tmp/{FILE}")],  # noqa: S108 -- of a machine of its own
                stack.enter_context(log.open("wb")),
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            if process.stdin is None or process.stdout is None:
                raise LabError(f"node {node.name} cannot be talked to")
            fetched = node.run
            running[node.name] = _Running(
                (process.stdout, process.stdin), log,
                lambda folder=folder, log=log: last_words(folder, log.name),  # type: ignore[misc]
                process.poll,
                lambda fetched=fetched: fetched(["cat", f"/tmp/{FILE}"], seconds=FETCH_SECONDS).stdout.encode(),  # type: ignore[misc]  # noqa: S108
            )  # fmt: skip
        yield running
