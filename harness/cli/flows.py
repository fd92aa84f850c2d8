"""``meshproof flows``: the requests of a lab that is up, as its data plane tells of them."""

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.labs import chosen
from harness.cli.status import UsageError, guarded, say
from harness.dataplanes.flow_folder import NodeFlows, folders, in_order
from harness.dataplanes.flow_records import Record

FOLLOW_SECONDS = 0.2
"""Between two looks; agents file what there is ten times a second."""

_MILLISECOND = 10**6


def flows(
    lab: Annotated[str | None, typer.Argument(metavar="[LAB]", help="Which lab, where several are up.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with those to come, until the lab is down.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON each, with Hubble's names.")] = False,
) -> int:
    """Show the requests in the lab that is up, what became of each, and which way it took.

    The newest ones are kept, of each node some 180,000; of what is lost the number is told. docs/ebpf-l7.md has every field.

    \b
    Example:
      sudo meshproof up my-scenario.yaml --dataplane ebpf-l7@flows=true
      meshproof flows --follow
      meshproof flows --json | jq 'select(.flow.verdict == "DROPPED")'
    """

    def command() -> None:
        record = chosen(lab)
        nodes = [NodeFlows(folder) for folder in folders(record.files)]
        if not nodes:
            raise UsageError(f"lab {record.name} has no flow events: bring one up with --dataplane ebpf-l7@flows=true")
        _print(in_order(nodes), as_json)
        while follow and _is_up(record.folder):
            time.sleep(FOLLOW_SECONDS)
            _print(in_order(nodes), as_json)

    return guarded(command)


def _is_up(folder: Path) -> bool:
    return bool(folders(folder / "files"))


def _print(records: Iterable[Record], as_json: bool) -> None:
    for record in records:
        if as_json:
            print(json.dumps(record, separators=(",", ":")))
        elif "lost_events" in record:
            lost = record["lost_events"]["num_events_lost"]
            say(f"{record['time']}: {lost} requests of node {record['node_name']} are not shown: more came than are kept")
        else:
            print(line(record))
    sys.stdout.flush()


def line(record: Record) -> str:
    """A record for people."""
    flow, own = record["flow"], record["meshproof"]
    http = flow["l7"]["http"]
    ends = " -> ".join(_end(flow, end) for end in ("source", "destination"))
    took = f" {flow['l7']['latency_ns'] / _MILLISECOND:.3f}ms" if "latency_ns" in flow["l7"] else ""
    why = ", ".join(filter(None, (own["path"], own.get("why"), own.get("rule"), own.get("detail"))))
    answer = f" {http['code']}" if "code" in http else ""
    cut = "..." if own.get("url_cut") else ""
    return f"{record['time']} {ends} {http['method']} {http['url']}{cut} {flow['verdict']}{answer}{took} ({why})"


def _end(flow: Record, end: str) -> str:
    pod = flow[end]
    name = f"{pod['namespace']}/{pod['pod_name']}" if pod else flow["IP"][end]
    return f"{name}:{flow['l4']['TCP'][f'{end}_port']}"
