"""Every so many packets of a server's clients lost on their last step: a known effect on what fails to come in time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from harness.lab.port import LabPod

TABLE = "meshproof_loss"
DATA = 80  # bytes: no IPv4 packet of TCP without data is longer (40 of headers, 40 of options), and every request is
RULES = """\
table ip {table} {{
  chain arriving {{
    type filter hook prerouting priority raw; policy accept;
    tcp dport {port} ip length > {data} numgen inc mod {every} {phase} counter drop
  }}
}}
"""
"""In the pod's own namespace: whichever way a data plane brings packets there, and no other pod's packets meet it. On the
way in, because a sender is told of what is dropped on its way out, and does not take it for loss."""


class Losses:
    """How many packets were lost; known when the context has been left."""

    def __init__(self) -> None:
        self.packets = 0


@contextmanager
def losing(pod: LabPod, port: int, every: int) -> Iterator[Losses]:
    """Lose one in ``every`` packets with data that come to ``port`` of ``pod`` over IPv4, the first after half as many.

    Packets that are sent again are counted with the rest. Raises LabError.
    """
    rules = RULES.format(table=TABLE, port=port, data=DATA, every=every, phase=every // 2 - 1)
    losses = Losses()
    pod.run(["nft", "-f", "-"], stdin=rules)
    try:
        yield losses
        listed = json.loads(pod.run(["nft", "-j", "list", "table", "ip", TABLE]).stdout)
        counters = [
            part["counter"] for each in listed["nftables"] for part in each.get("rule", {}).get("expr", ()) if "counter" in part
        ]
        losses.packets = counters[0]["packets"]
    finally:
        pod.run(["nft", "delete", "table", "ip", TABLE])
