"""Millions of requests while backends are killed and policies change: no wrong answer, no lost or doubled byte, no leak.

Each request has a number, of which its path, its kind, the size and the bytes of its body follow; the backend answers with
the same body, and counts how often it has read each. About 12 in 100 are denied, and 14 are none that the kernel
understands (odd headers, chunks, long or split bodies). Prints one JSON line; exit status 1 where anything is wrong.
Run as root, with nothing else running: ``python tests/benchmarks/soak/soak.py [--requests N] [--dataplane NAME] [--to APP]``.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np

from harness.dataplanes import find
from harness.dataplanes.ebpf_l7 import EbpfL7Attachment
from harness.dataplanes.port import Attachment
from harness.lab import netns
from harness.lab.build import c_program
from harness.lab.port import LabPod, Process
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, HTTPRule, L7Rules, PortRule
from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.topology import Namespace, Pod, Topology

HERE = Origin("soak.py", 1)
FOLDER = Path(__file__).parent
PORT = 8080
TOPOLOGY = Topology(
    "soak",
    ("n1", "n2"),
    (Namespace("soak"),),
    tuple(Pod(name, "soak", node, {"app": name}) for name, node in (("client", "n1"), ("neighbour", "n1"), ("server", "n2"))),
)
Laws = Iterator[list[CiliumPolicy]]
ANSWERED, REFUSED, ENDED, UNAVAILABLE = 1, 2, 3, 4
AFTER = 1.0  # s after a backend serves again in which its proxy may not know that yet
QUIET = 5.0  # s for connections to be forgotten when all is over


def policies(app: str) -> list[list[CiliumPolicy]]:
    """Policies that allow the same, each written otherwise."""

    def allowing(*rules: HTTPRule) -> list[CiliumPolicy]:
        ports = (PortRule(HERE, (CiliumPort(HERE, str(PORT), None, "TCP"),), L7Rules(HERE, http=rules)),)
        rule = CiliumRule(HERE, endpoints=(LabelSelector({"app": "client"}),), ports=ports)
        return [CiliumPolicy(HERE, "soak", "soak", (CiliumSpec(HERE, LabelSelector({"app": app}), ingress=(rule,)),))]

    return [
        allowing(HTTPRule(HERE, path="/public/.*")),
        allowing(HTTPRule(HERE, "POST", "/public/.*"), HTTPRule(HERE, "GET", "/nothing")),
    ]


@dataclass
class Backend:
    """The server, killed now and then; ``gaps``: from each kill to when it served again, ns."""

    pod: LabPod
    seen: Path
    count: int
    gaps: list[tuple[int, int]] = field(default_factory=list)
    process: Process | None = None

    def start(self) -> None:
        argv = [str(c_program(FOLDER / "server.c")), str(PORT), str(self.seen), str(self.count)]
        self.process = self.pod.start(argv, component="server")
        while "serving" not in self.process.log.read_text():
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended: {self.process.log.read_text()}")
            time.sleep(0.001)

    def kill(self) -> None:
        assert self.process is not None
        begun = time.monotonic_ns()
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.stop()
        self.start()
        self.gaps.append((begun, time.monotonic_ns()))


def soak(asked: argparse.Namespace) -> dict[str, object]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        lab = stack.enter_context(netns.up(TOPOLOGY))
        client, server = lab.pod("soak/client"), lab.pod(f"soak/{asked.to}")
        backend = Backend(server, folder / "seen", asked.requests)
        backend.start()
        plane = stack.enter_context(find(asked.dataplane).attach(lab))
        laws = cycle(policies(asked.to))
        plane.apply(next(laws))
        outcomes, broken = folder / "outcomes", folder / "broken"
        argv = [str(c_program(FOLDER / "client.c")), server.pod.ip(4), str(PORT), str(asked.connections), str(asked.seed), "0"]
        began = time.monotonic()
        load = client.start([*argv, str(asked.requests), str(outcomes), str(broken)], component="load")
        changes = disturb(load, backend, plane, laws, asked)
        seconds = time.monotonic() - began
        if load.poll() != 0:
            return {"dataplane": asked.dataplane, "wrong": [load.log.read_text().strip()]}
        held = settled(plane)
        found = json.loads(load.log.read_text())
        wrong = judged(outcomes, backend, broken)
        counts = plane.path_counts() if isinstance(plane, EbpfL7Attachment) else {}
    wrong += [f"kept when all was over: {held}"] if kept(held) else []
    return {
        "dataplane": asked.dataplane, "to": asked.to, "requests": asked.requests, "seconds": round(seconds, 1), **found,
        "kills": len(backend.gaps), "changes": changes, "paths": counts, "held": held, "wrong": wrong,
    }  # fmt: skip


def disturb(
    load: Process, backend: Backend, plane: Attachment, laws: "cycle[list[CiliumPolicy]]", asked: argparse.Namespace
) -> int:
    """Kill the backend and change policies until the load has ended; how many changes."""
    changes = 0
    kill_at = change_at = time.monotonic()
    while load.poll() is None:
        now = time.monotonic()
        if now >= kill_at:
            kill_at = now + asked.kill_every
            backend.kill()
        if now >= change_at:
            change_at = now + asked.change_every
            plane.apply(next(laws))
            changes += 1
        time.sleep(0.02)
    return changes


def settled(plane: Attachment) -> dict[str, int]:
    """What the fast path keeps when nobody has asked for a while."""
    if not isinstance(plane, EbpfL7Attachment):
        return {}
    deadline = time.monotonic() + QUIET
    held = plane.path_held()
    while kept(held) and time.monotonic() < deadline:
        time.sleep(0.1)
        held = plane.path_held()
    return held


def kept(held: dict[str, int]) -> bool:
    """Whether more is kept than idle connections to a backend, and the backend's ends of them."""
    idle = held.get("upstreams", 0)
    return bool(held.get("connections")) or max(held.get(each, 0) for each in ("ends", "named", "sockets")) > idle


def judged(outcomes: Path, backend: Backend, broken: Path) -> list[str]:
    """What is wrong with all that came of the requests."""
    came, seen = (np.fromfile(path, dtype=np.uint8) for path in (outcomes, backend.seen))
    wrong = []
    for what, found in (
        ("without an outcome", came == 0),
        ("answered, and not read once", (came == ANSWERED) & (seen != 1)),
        ("refused, and read all the same", (came == REFUSED) & (seen != 0)),
        ("read more than once", seen > 1),
    ):
        if found.any():
            wrong.append(f"{int(found.sum())} requests {what}: {np.flatnonzero(found)[:5].tolist()}")
    times = [tuple(map(int, line.split())) for line in broken.read_text().splitlines()]
    stray = [number for at, number in times if not any(kill <= at <= again + AFTER * 1e9 for kill, again in backend.gaps)]
    if stray:
        wrong.append(f"{len(stray)} requests broke while no backend was gone: {stray[:5]}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description="Soak the paths of requests.")
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--dataplane", default="ebpf-l7")
    parser.add_argument("--to", choices=("neighbour", "server"), default="neighbour", help="on the client's node, or the other")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill-every", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--change-every", type=float, default=3.0, metavar="SECONDS")
    found = soak(parser.parse_args())
    sys.stdout.write(json.dumps(found) + "\n")
    sys.exit(1 if found["wrong"] else 0)


if __name__ == "__main__":
    main()
