"""``meshproof up``, ``exec`` and ``down``: a lab that stays up to be used by hand."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.keeper import Ready, hold, keep
from harness.cli.status import UsageError, guarded, say
from harness.dataplanes import find
from harness.dataplanes.port import DataPlane
from harness.lab import netns
from harness.lab.record import LabRecord
from harness.manifests.bench import load_bench
from harness.model.bench import BenchScenario
from harness.traffic.nginx import serve

Name = Annotated[str | None, typer.Option("--lab", metavar="NAME", help="Which lab, where several are up.")]


def up(
    scenario: Annotated[Path, typer.Argument(help="A benchmark scenario: its topology is made, its policies are applied.")],
    dataplane: Annotated[str, typer.Option(metavar="NAME", help="The data plane to attach.")],
) -> int:
    """Bring a scenario's pods up with a data plane attached, a web server in every pod, and leave them up.

    A keeper process holds the lab until `meshproof down`.

    \b
    Example:
      sudo meshproof up scenarios/bench/http-cross-node.yaml --dataplane ebpf
      sudo meshproof exec shop/client -- curl -s http://10.0.1.2:8080/name
      sudo meshproof down
    """

    def command() -> int:
        asked = load_bench([scenario])[0]
        plane = find(dataplane)
        return keep(lambda ready: _hold(asked, plane, ready))

    return guarded(command)


def _hold(scenario: BenchScenario, plane: DataPlane, ready: Ready) -> None:
    """What the keeper does: make everything, say that it is ready, and wait for a signal to end."""
    with ExitStack() as stack:
        lab = stack.enter_context(netns.up(scenario.topology, keep=True))
        stack.callback(netns.down, lab.name)
        for pod in lab.pods:
            stack.enter_context(serve(pod, scenario.port, lab.folder))
        attachment = stack.enter_context(plane.attach(lab))
        attachment.apply(scenario.policies)
        lines = [f"lab {lab.name}: {plane.name} on {scenario.topology.name}, policies of {scenario.name} applied"]
        lines += [f"  {pod.pod.ref} on {pod.pod.node}: {' '.join(pod.pod.ips)}" for pod in lab.pods]
        ready("\n".join(lines))
        hold()


def chosen(name: str | None) -> LabRecord:
    """The lab that is meant, the only one where ``name`` is None. Raises UsageError."""
    held = [record for record in netns.labs() if record.kept and name in (None, record.name)]
    if not held:
        raise UsageError(f"no lab called {name} is up" if name else "no lab is up: make one with `meshproof up`")
    if len(held) > 1:
        raise UsageError(f"several labs are up: choose one with --lab ({', '.join(record.name for record in held)})")
    return held[0]


def exec_(
    pod: Annotated[str, typer.Argument(metavar="POD", help="namespace/name")],
    command_line: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The program and its arguments.")],
    lab: Name = None,
) -> int:
    """Run a program inside a pod of the lab that is up; its input, output and exit status are passed on unchanged.

    Example: sudo meshproof exec shop/client -- ip address
    """

    def command() -> None:
        opened = netns.reopen(chosen(lab).name)
        try:
            place = opened.pod(pod)
        except KeyError:
            refs = ", ".join(each.pod.ref for each in opened.pods)
            raise UsageError(f"lab {opened.name} has no pod {pod!r}: there are {refs}") from None
        sys.stdout.flush()
        place.become(command_line[command_line[0] == "--" :], component="exec")

    return guarded(command)


def down(lab: Name = None) -> int:
    """Take the lab that is up down again: its data plane, pods and nodes.

    Example: sudo meshproof down
    """

    def command() -> None:
        record = chosen(lab)
        netns.release(record.name)
        say(f"lab {record.name} is down")

    return guarded(command)
