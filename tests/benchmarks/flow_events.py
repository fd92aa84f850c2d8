"""What flow events cost, and what many rules do, on the fast path: ratios within blocks, as JSON on standard output.

In each block, in random order, the fast path is attached without flow events, without them again (so that the noise is
known), and with them; each time it runs wrk's closed loop under one rule about requests and under many, of which the last
allows the request. ``throughput`` is requests a second, ``cpu`` what all of the lab used a request. Each ratio is the median
over blocks, with its interval; with less than six blocks there is none. ``lost`` are flow events that found their ring full,
``slow`` the share of requests that went to Envoy, which should be none.
Root, with nothing else running: ``python tests/benchmarks/flow_events.py [--blocks N] [--seconds S] [--to APP]``, or
``--only flows`` or ``--only rules``; ten blocks of a second take about five minutes.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from harness.dataplanes import find
from harness.dataplanes.ebpf_l7 import EbpfL7Attachment
from harness.judge.interval import median_interval
from harness.lab import cgroups, netns
from harness.lab.idle import kept_awake
from harness.lab.port import Lab
from harness.model.bench import LoadKind, LoadPoint
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, HTTPRule, L7Rules, PortRule
from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.topology import Namespace, Pod, Topology
from harness.traffic.nginx import serve
from harness.traffic.wrk import Maximum

HERE = Origin("flow_events.py", 1)
PORT = 8080
PATH = "/name"
TOPOLOGY = Topology(
    "flows",
    ("n1", "n2"),
    (Namespace("b"),),
    tuple(Pod(name, "b", node, {"app": name}) for name, node in (("client", "n1"), ("neighbour", "n1"), ("server", "n2"))),
)
PLANES = {"off": "ebpf-l7", "off again": "ebpf-l7", "on": "ebpf-l7@flows=true"}
MANY = 1000
SETTLE_SECONDS = 20.0
Figures = dict[str, float]


class Gauge:
    """CPU seconds of all places of a lab, of what is in them."""

    def __init__(self, lab: Lab) -> None:
        self._places = [*lab.nodes, *lab.pods]
        self.used = 0.0

    def begin(self) -> None:
        self.used = -self._usage()

    def end(self) -> None:
        self.used += self._usage()

    def _usage(self) -> float:
        return float(sum(cgroups.cpu_usage(place.cgroup).usage for place in self._places))


def policy(app: str, count: int) -> list[CiliumPolicy]:
    """``count`` rules: texts, beginnings, and alternatives of methods, as people write them; the last one allows PATH."""
    forms = ("/items/{}", "/items/{}/.*", "/v1/users/{}/orders", "/v2/(a|b)/{}")
    others = [HTTPRule(HERE, ("GET", "GET|HEAD", None)[n % 3], forms[n % len(forms)].format(n)) for n in range(count - 1)]
    ports = (
        PortRule(HERE, (CiliumPort(HERE, str(PORT), None, "TCP"),), L7Rules(HERE, (*others, HTTPRule(HERE, "GET", PATH)))),
    )
    rule = CiliumRule(HERE, endpoints=(LabelSelector({"app": "client"}),), ports=ports)
    return [CiliumPolicy(HERE, "many", "b", (CiliumSpec(HERE, LabelSelector({"app": app}), ingress=(rule,)),))]


def measured(lab: Lab, plane: EbpfL7Attachment, app: str, count: int, seconds: float) -> Figures:
    """Apply ``count`` rules, await the fast path, and measure."""
    revision = plane.apply(policy(app, count))
    client, server, load = lab.pod("b/client"), lab.pod(f"b/{app}"), Maximum()
    gauge = Gauge(lab)
    warm = LoadPoint("warm", LoadKind.MAXIMUM, seconds=1, warmup=0, connections=32, path=PATH)
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        before = plane.path_counts()
        load.run(client, server, PORT, warm, 0, gauge)
        if slow_share(before, plane.path_counts()) < 0.01:
            break
        if time.monotonic() > deadline:
            raise SystemExit(f"requests are not fast under {count} rules: {plane.path_counts()}")
    before = plane.path_counts()
    result = load.run(client, server, PORT, LoadPoint("it", LoadKind.MAXIMUM, seconds, 0, 32, path=PATH), 0, gauge)
    after = plane.path_counts()
    (rate,) = [each.value for each in result.metrics if each.name == "throughput"]
    return {
        "throughput": rate,
        "cpu": gauge.used / result.count,
        "slow": slow_share(before, after),
        "lost": after["flows_lost"] - before["flows_lost"],
        "errors": result.errors,
        "apply_seconds": revision.seconds,
    }


def slow_share(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """Of the requests between two counts, how many went to Envoy."""
    came = {name: after[name] - before[name] for name in after}
    slow = sum(count for name, count in came.items() if name.startswith("slow_"))
    return slow / max(1, slow + came["fast"])


def block(lab: Lab, app: str, only: str | None, seconds: float, chance: random.Random) -> dict[str, Figures]:
    """Figures by arm, as ``on/1000``."""
    planes = [name for name in PLANES if only != "rules" or name == "off"]
    found = {}
    for name in chance.sample(planes, len(planes)):
        with find(PLANES[name]).attach(lab) as plane:
            assert isinstance(plane, EbpfL7Attachment)
            counts = [1] if only == "flows" or name == "off again" else [1, MANY]
            for count in chance.sample(counts, len(counts)):
                found[f"{name}/{count}"] = measured(lab, plane, app, count, seconds)
    return found


COMPARED = {
    "noise": ("off again/1", "off/1"),
    "flows": ("on/1", "off/1"),
    "flows under many rules": (f"on/{MANY}", f"off/{MANY}"),
    "many rules": (f"off/{MANY}", "off/1"),
}


def main() -> None:
    """Print the ratios, and all that was measured."""
    parser = argparse.ArgumentParser(description="Measure flow events and many rules.")
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--to", default="neighbour", choices=["neighbour", "server"])
    parser.add_argument("--only", choices=["flows", "rules"])
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    blocks = []
    with ExitStack() as stack:
        stack.enter_context(kept_awake())
        lab = stack.enter_context(netns.up(TOPOLOGY))
        stack.enter_context(serve(lab.pod(f"b/{asked.to}"), PORT, Path(lab.folder)))
        for _ in range(asked.blocks):
            blocks.append(block(lab, asked.to, asked.only, asked.seconds, chance))
            sys.stderr.write(f"block {len(blocks)} of {asked.blocks}: {json.dumps(blocks[-1])}\n")
    ratios = {
        what: {
            figure: asdict(median_interval([each[arm][figure] / each[against][figure] for each in blocks]))
            for figure in ("throughput", "cpu")
        }
        for what, (arm, against) in COMPARED.items()
        if arm in blocks[0] and against in blocks[0]
    }
    json.dump({"to": asked.to, "ratios": ratios, "blocks": blocks}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
