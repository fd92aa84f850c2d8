"""Servers for conformance: one small process a pod that says who it is, over TCP and UDP, on every port that is asked for."""

import os
import select
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.lab.build import c_program
from harness.lab.port import LabError, LabPod, Place, Process
from harness.traffic.arrivals import RECORD, Responder

SOURCE = Path(__file__).with_name("responder.c")
INTERFACE = "eth0"
READY = 10.0  # seconds until all must serve
NO_LIMITS = {"ipv4/icmp_ratemask": "0", "ipv6/icmp/ratemask": "0", "ipv6/icmp/ratelimit": "0"}
"""Below /proc/sys/net. The kernel sends a destination six errors in a row and then one a second: the seventh refused probe
would look like silence. The masks name the types that are limited; 0 is the echo reply, and in ICMPv6 nothing."""


@contextmanager
def serve_all(pods: Sequence[LabPod], ports: Sequence[int]) -> Iterator[Mapping[str, Responder]]:
    """Responders in all ``pods``, by ``namespace/name``, each on all ``ports``, of TCP and UDP, over IPv4 and IPv6.

    TCP: ``GET /name`` over HTTP/1.1 is answered by the pod's ``namespace/name``. UDP: a datagram without a line end is
    answered by that name, a line end and the datagram, from the address that was asked.
    What reaches them is written down, and can be read (arrivals.py). Entered when all serve. ICMP errors of these pods and
    their nodes are no longer rate-limited, so that each refusal is seen.
    Raises LabError with the responder's own words.
    """
    servers: dict[str, Responder] = {}
    with tempfile.TemporaryDirectory(prefix="meshproof-") as folder:
        try:
            _start(pods, ports, Path(folder), servers)
            yield servers
        finally:
            _stop(servers)


def _start(pods: Sequence[LabPod], ports: Sequence[int], folder: Path, servers: dict[str, Responder]) -> None:
    """Start all into ``servers`` and return when they serve. The FIFO by which they say so is gone by then."""
    program = str(c_program(SOURCE))
    for place in dict.fromkeys([*pods, *(pod.node for pod in pods)]):
        _lift_limits(place)
    with ExitStack() as stack:
        ready = folder / "ready"
        os.mkfifo(ready)
        stack.callback(ready.unlink)
        told = os.open(ready, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # writing too: no end of file between two responders
        stack.callback(os.close, told)
        for number, pod in enumerate(pods):
            diary = folder / str(number)
            process = pod.start([program, str(ready), str(diary), INTERFACE, pod.pod.ref, *map(str, ports)], component="server")
            servers[pod.pod.ref] = Responder(f"the responder in pod {pod.pod.ref}", process, diary, RECORD)
        _await_ready(told, {ref: server.process for ref, server in servers.items()})


def _lift_limits(place: Place) -> None:
    try:
        with place.entered():
            for name, value in NO_LIMITS.items():
                Path("/proc/sys/net", name).write_text(value)
    except OSError as error:
        raise LabError(f"{error.filename} of {place.netns} cannot be written: {error.strerror}; run it as root") from error


def _await_ready(told: int, processes: Mapping[str, Process]) -> None:
    """Return when each has said its name; raises LabError for one that ended instead, or was not heard of in time."""
    missing = set(processes)
    deadline = time.monotonic() + READY
    rest = b""
    with ExitStack() as stack:
        poll = select.poll()
        poll.register(told, select.POLLIN)
        by_descriptor: dict[int, str] = {}
        for ref, process in processes.items():
            try:
                descriptor = os.pidfd_open(process.pid)
            except ProcessLookupError:
                raise _ended(ref, process) from None
            stack.callback(os.close, descriptor)
            by_descriptor[descriptor] = ref
            poll.register(descriptor, select.POLLIN)
        while missing:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LabError(f"responders of {', '.join(sorted(missing))} do not serve after {READY:g} s")
            for descriptor, _ in poll.poll(left * 1000):
                if descriptor != told:
                    ref = by_descriptor[descriptor]
                    raise _ended(ref, processes[ref])
                *names, rest = (rest + os.read(told, 65536)).split(b"\n")
                missing -= {name.decode() for name in names}


def _ended(ref: str, process: Process) -> LabError:
    said = process.log.read_text(errors="replace").strip()
    return LabError(f"responder in pod {ref} ended with status {process.poll()}: {said}")


def _stop(servers: Mapping[str, Responder]) -> None:
    """Ask all before any is waited for."""
    for server in servers.values():
        if server.process.poll() is None:
            server.process.signal(signal.SIGTERM)
    for server in servers.values():
        server.process.stop()
