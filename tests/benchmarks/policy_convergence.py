"""How long a policy takes from being handed over to being enforced, in a cluster of many pods: one JSON line a data plane.

One policy that isolates all pods and admits half of them is applied and withdrawn again and again; two canaries, over TCP
and over UDP, to pods of their own node and of the other, are begun about every millisecond meanwhile. ``applied`` is what
the data plane says, ``last`` when the last one that got through was begun; both are in ms after the call. ``late`` counts
what got through after the data plane had said that the policy is in force.
Run as root, with nothing else running: ``python tests/benchmarks/policy_convergence.py [--pods N] [--changes N] [PLANE…]``.
"""

import argparse
import json
import sys
import time
from contextlib import ExitStack

import numpy as np

from harness.dataplanes import find
from harness.lab import netns
from harness.model.flow import Flow
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy, Peer, Rule
from harness.model.topology import Namespace, Pod, Topology
from harness.traffic.arrivals import settle
from harness.traffic.canary import canary
from harness.traffic.responder import serve_all

HERE = Origin("policy_convergence.py", 1)
HALF = Peer(HERE, LabelSelector({"half": "1"}))
POLICY = NetworkPolicy(HERE, "half", "scale", LabelSelector(), ("Ingress",), (Rule(HERE, (HALF,)),))
AFTER = 5


def cluster(pods: int) -> Topology:
    placed = tuple(
        Pod(f"p{number}", "scale", f"n{1 + number % 2}", {"app": f"p{number}", "half": str(number // 2 % 2)})
        for number in range(pods)
    )
    return Topology("scale", ("n1", "n2"), (Namespace("scale"),), placed)


def measure(name: str, pods: int, changes: int) -> dict[str, object]:
    """p0 is not of the half that is admitted, p2 on its node, p1 on the other."""
    flows = [Flow("scale/p0", "scale/p2", 8080), Flow("scale/p0", "scale/p1", 8080, "UDP")]
    applied, last, late, begun, admitted = [], [], 0, 0, 0
    with ExitStack() as stack:
        lab = stack.enter_context(netns.up(cluster(pods)))
        servers = stack.enter_context(serve_all([lab.pod(flow.destination) for flow in flows], [8080]))
        plane = stack.enter_context(find(name).attach(lab))
        for _ in range(changes):
            plane.apply([])
            with ExitStack() as each:
                birds = [each.enter_context(canary(flow, lab, servers[flow.destination], 0.001)) for flow in flows]
                if not all(bird.await_answered() for bird in birds):
                    raise SystemExit(f"{name}: not answered without a policy")
                called = time.monotonic_ns()
                revision = plane.apply([POLICY])
                returned = time.monotonic_ns()
                for bird in birds:
                    bird.await_begun(returned, AFTER)
                    bird.end()
                settle(servers.values())
                seen = [bird.seen(called, returned, at_interface=True) for bird in birds]
            applied.append(revision.seconds * 1000)
            last.append(max(one.last for one in seen) * 1000)
            late += sum(one.late for one in seen)
            begun += sum(one.meanwhile for one in seen)
            admitted += sum(one.admitted for one in seen)
    return {
        "dataplane": name, "pods": pods, "changes": changes, "applied_ms": quantiles(applied), "last_ms": quantiles(last),
        "begun_meanwhile": begun, "admitted_meanwhile": admitted, "late": late,
    }  # fmt: skip


def quantiles(values: list[float]) -> dict[str, float]:
    return {f"p{share}": round(float(np.quantile(values, share / 100, method="higher")), 2) for share in (50, 90, 99, 100)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time changes of policy.")
    parser.add_argument("planes", nargs="*", default=["ebpf"])
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("--changes", type=int, default=200)
    asked = parser.parse_args()
    for name in asked.planes:
        sys.stdout.write(json.dumps(measure(name, asked.pods, asked.changes)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
