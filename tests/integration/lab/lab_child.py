"""A process that has a lab, for tests that end it. Arguments: folder of records, number of pods, where to pause.

Prints ``paused NAME`` at the pause ("up": inside the context), then waits for a line on standard input, or goes on after
half a second where the pause is in the middle of making or removing.
"""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.lab import construction, netns, record, removal
from harness.model.topology import Namespace, Pod, Topology


def pause() -> None:
    print("paused", *record.names(), flush=True)
    time.sleep(0.5)


def pause_before(holder: Any, name: str) -> None:
    function: Callable[..., Any] = getattr(holder, name)

    def pausing(*arguments: Any, **named: Any) -> Any:
        pause()
        return function(*arguments, **named)

    setattr(holder, name, pausing)


PLACES = {
    "claimed": (construction.Construction, "_folders"),
    "before wires": (construction.Construction, "_wires"),
    "before naming": (construction, "name_own"),
    "before pods": (construction.Construction, "_pods"),
    "before answers": (construction.Construction, "_await"),
    "removing": (removal, "_remove_namespaces"),
}


def main(records: str, pods: str, where: str) -> None:
    record.RUN = Path(records)
    nodes = ("n1", "n2")
    topology = Topology(
        "child", nodes, (Namespace("shop"),), tuple(Pod(f"p{i}", "shop", nodes[i % 2]) for i in range(int(pods)))
    )
    if where in PLACES:
        pause_before(*PLACES[where])
    with netns.up(topology, keep=where == "kept") as lab:
        lab.pods[0].start(["sleep", "1000"], component="server")
        if where == "up":
            print("paused", lab.name, flush=True)
            sys.stdin.readline()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts the tests in its background ignores it
    main(*sys.argv[1:])
