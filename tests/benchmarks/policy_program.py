"""Nanoseconds a packet in the policy program, over many flows and policies of many sizes. Prints JSON; needs root.

    sudo .venv/bin/python tests/benchmarks/policy_program.py

``both`` has the destination on the same node: two judgements, not one. What each figure is stands in
harness/campaign/policy_bench.py; ``meshproof scale`` takes those of one node as lines, with their intervals.
"""

import json
import sys

from harness.campaign.policy_bench import FLOWS, PolicyBench

SIZES = (10, 100, 1_000, 10_000, 100_000)


def main() -> None:
    """Measure every size, with the destination on another node and on the same."""
    rows = []
    for size in SIZES:
        for where in ("one", "both"):
            bench = PolicyBench(size, local=where == "both")
            rows.append({"entries": size, "judgements": where, "distinct_flows": FLOWS, **bench.figures()})
            bench.close()
    json.dump({"unit": "ns a packet", "rows": rows}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
