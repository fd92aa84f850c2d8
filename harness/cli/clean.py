"""``meshproof clean``."""

from typing import Annotated

import typer

from harness.cli.status import guarded
from harness.lab import netns
from harness.lab.turns import clean_workplaces
from harness.lab.vm.machines import clean_machines


def clean(
    every: Annotated[bool, typer.Option("--all", help="Also end labs whose run is still going on.")] = False,
) -> int:
    """Remove everything that earlier runs and labs left behind on this machine, and nothing else.

    Namespaces, links, cgroups with their processes, BPF programs and files: only what a lab recorded as its own.
    Labs of runs that are still going on are left alone unless --all is given; those that `up` or `conform --keep` left up
    are taken down.

    Example: sudo meshproof clean
    """

    def command() -> None:
        removed = [*netns.clean(all_labs=every), *clean_machines(every), *clean_workplaces()]
        for line in removed:
            typer.echo(line)
        if not removed:
            typer.echo("nothing to remove")

    return guarded(command)
