"""Nodes that are machines: each runs the same program with its own share, and they are brought together line by line."""

import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TextIO

from harness.lab.addressing import plan
from harness.lab.port import LabError
from harness.lab.vm.hub import serve
from harness.lab.vm.kernels import Kernel
from harness.lab.vm.machines import workplace
from harness.lab.vm.qemu import guest, last_words
from harness.model.topology import Topology

CHANNEL = "/dev/virtio-ports/meshproof"
FILE = "outcomes.json"
START_SECONDS = 120.0
_POLL = 0.1


@dataclass(frozen=True, slots=True)
class Program:
    """What runs in each node: ``argv`` of this Python, of the node's name, its channel, and the file that it writes."""

    argv: Callable[[str, str, str], Sequence[str]]


def in_qemu(
    kernel: Kernel, topology: Topology, program: Program, *, seconds: float, told: Callable[[str], None] = lambda _line: None
) -> bytes:
    """Run ``program`` on nodes of ``topology``, one guest each, joined by wires of their own; the file of the first node.

    Raises LabError where a node does not come to its end in ``seconds``, or fails.
    """
    nodes = plan(topology).nodes
    with workplace("qemu") as folder, ExitStack() as stack:
        processes, channels = {}, {}
        for node in nodes:
            own = folder / node.name
            own.mkdir()
            listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listening.bind(str(own / "channel"))
            listening.listen(1)
            more = ["-device", "virtio-serial", "-chardev", f"socket,id=channel,path={own / 'channel'}"]
            more += ["-device", "virtserialport,chardev=channel,name=meshproof"]
            for wire in node.wires:
                near, far = folder / f"{node.name}={wire.peer}", folder / f"{wire.peer}={node.name}"
                ends = f"local.type=unix,local.path={near},remote.type=unix,remote.path={far}"
                more += ["-netdev", f"dgram,id={wire.ifname},{ends}", "-device", f"virtio-net-pci,netdev={wire.ifname},mac={wire.mac}"]
            words = " ".join(f"'{word}'" for word in program.argv(node.name, CHANNEL, f"/job/{FILE}"))
            script = f"modprobe virtio_console; mkdir -p /dev/virtio-ports\n{_NAME_PORTS}\nexec \"$python\" -P {words}"
            processes[node.name] = stack.enter_context(guest(kernel, script, own, more))
            listening.settimeout(START_SECONDS)
            with suppress(TimeoutError):
                channels[node.name] = listening.accept()[0]
        if len(channels) < len(nodes):
            raise LabError(f"QEMU did not open the channel of a node within {START_SECONDS:g} s: {last_words(folder / nodes[0].name)}")
        return _served(processes, {n: _files(s) for n, s in channels.items()}, folder, seconds, told)


_NAME_PORTS = "for port in /sys/class/virtio-ports/*; do ln -sf /dev/$(basename $port) /dev/virtio-ports/$(cat $port/name); done"


def _files(channel: socket.socket) -> tuple[TextIO, TextIO]:
    return channel.makefile("r", encoding="ascii"), channel.makefile("w", encoding="ascii")


def _served(
    processes: Mapping[str, subprocess.Popen[bytes]],
    channels: Mapping[str, tuple[TextIO, TextIO]],
    folder: Path,
    seconds: float,
    told: Callable[[str], None],
) -> bytes:
    hub = Thread(target=serve, args=(channels,), name="hub", daemon=True)
    hub.start()
    deadline = time.monotonic() + seconds
    first, *_ = processes
    heard = 0
    while any(process.poll() is None for process in processes.values()):
        if time.monotonic() > deadline:
            slow = [name for name, process in processes.items() if process.poll() is None]
            raise LabError(f"node {slow[0]} did not end within {seconds:g} s: {last_words(folder / slow[0])}")
        time.sleep(_POLL)
        output = folder / first / "job" / "output"
        if output.exists():
            lines = output.read_text(errors="replace").splitlines()
            for line in lines[heard:]:
                told(line)
            heard = len(lines)
        for name in processes:
            status = folder / name / "job" / "status"
            if status.exists() and status.read_text().strip() not in ("", "0"):
                raise LabError(f"node {name} failed: {last_words(folder / name)}")
    for name in processes:
        if not (folder / name / "job" / FILE).exists():
            raise LabError(f"node {name} went without an answer: {last_words(folder / name)}")
    return (folder / first / "job" / FILE).read_bytes()
