"""Random bodies between two pods of a node for as long as is asked, while policy and programs change. Needs root.

    sudo .venv/bin/python tests/benchmarks/sockmap_stress.py [SECONDS]

Every byte is compared at both ends (tests/integration/sockmap/exchange.py). Meanwhile the policy, which always allows
this traffic, is applied anew and the packet programs are replaced, so that connections leave the path and return to
it. Prints JSON, with status 1 if a byte was wrong or a connection stalled.
"""

import itertools
import json
import sys
import time
from pathlib import Path

from harness.dataplanes.ebpf_sockmap import EbpfSockmap, EbpfSockmapAttachment
from harness.dataplanes.port import RestartKind
from harness.lab import netns
from harness.lab.port import Lab, Process
from harness.mesh.sockmap import ANNOTATION
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy, Peer, Rule
from harness.model.topology import Namespace, Pod, Topology

EXCHANGE = Path(__file__).parents[1] / "integration" / "sockmap" / "exchange.py"
PORT = 7001
CONNECTIONS = 1500
PARALLEL = 64
LONGEST_BODY = 2_000_000
PAUSE = 0.05  # seconds between two changes
DEADLINE = 120.0

HERE = Origin(Path(__file__).name, 1)
TOPOLOGY = Topology(
    name="stress",
    nodes=("n1",),
    namespaces=(Namespace("shop"),),
    pods=tuple(Pod(name, "shop", "n1", {"app": name}, {ANNOTATION: "enabled"}) for name in ("client", "server")),
)
ALLOWING = NetworkPolicy(
    HERE,
    name="allow-client",
    namespace="shop",
    pod_selector=LabelSelector({"app": "server"}),
    policy_types=("Ingress",),
    ingress=(Rule(HERE, peers=(Peer(HERE, pod_selector=LabelSelector({"app": "client"})),)),),
)


def start(lab: Lab, role: str, family: int, seed: str) -> Process:
    """One side of an exchange."""
    address = lab.pod("shop/server").pod.ip(family)
    numbers = map(str, (PORT, CONNECTIONS, PARALLEL, LONGEST_BODY))
    process = lab.pod(f"shop/{role}").start([sys.executable, str(EXCHANGE), role, address, *numbers, seed], component=role)
    if role == "server":
        deadline = time.monotonic() + DEADLINE
        while "listening" not in process.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
    return process


def disturb(attachment: EbpfSockmapAttachment, processes: tuple[Process, ...]) -> int:
    """Change policy and programs until the processes have ended; how often."""
    deadline = time.monotonic() + DEADLINE
    changes = 0
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        attachment.apply([ALLOWING] if changes % 2 else [])
        if changes % 10 == 0:
            attachment.restart("bpf", RestartKind.HOT)
        changes += 1
        time.sleep(PAUSE)
    return changes


def main(seconds: float) -> int:
    """Exchange by turns on IPv4 and IPv6; the exit status."""
    faults: list[str] = []
    rounds = changes = 0
    with netns.up(TOPOLOGY) as lab, EbpfSockmap().attach(lab) as attachment:
        until = time.monotonic() + seconds
        for family in itertools.cycle((4, 6)):
            both = (start(lab, "server", family, str(rounds)), start(lab, "client", family, str(rounds)))
            changes += disturb(attachment, both)
            faults += [process.log.read_text() for process in both if process.poll() != 0]
            for process in both:
                process.stop()
            rounds += 1
            if faults or time.monotonic() > until:
                break
        counts = attachment.path_counts()
    print(json.dumps({"connections": rounds * CONNECTIONS, "changes": changes, "faults": faults, **counts}, indent=1))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
