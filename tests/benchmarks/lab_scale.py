"""How long a lab takes to come up and go down, by its number of pods: one JSON line for each lab.

Up ends when every pod has answered its node on IPv4 and IPv6; down ends when the kernel has let go of every namespace
and link. Run as root: ``python tests/benchmarks/lab_scale.py [--nodes N] [--repeat N] [PODS…]``.
"""

import argparse
import json
import sys
import time

from harness.lab import netns
from harness.model.topology import Namespace, Pod, Topology


def measure(pods: int, nodes: int) -> dict[str, float]:
    names = tuple(f"n{number}" for number in range(1, nodes + 1))
    placed = tuple(Pod(f"p{number}", "scale", names[number % nodes]) for number in range(pods))
    topology = Topology("scale", names, (Namespace("scale"),), placed)
    asked = time.monotonic()
    with netns.up(topology):
        up = time.monotonic()
    down = time.monotonic()
    return {"pods": pods, "nodes": nodes, "up_seconds": round(up - asked, 3), "down_seconds": round(down - up, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time labs of growing size.")
    parser.add_argument("pods", nargs="*", type=int, default=[10, 100, 300, 1000])
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1)
    asked = parser.parse_args()
    for pods in asked.pods:
        for _ in range(asked.repeat):
            sys.stdout.write(json.dumps(measure(pods, asked.nodes)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
