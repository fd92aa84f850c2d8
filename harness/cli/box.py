"""``meshproof box``."""

from typing import Annotated

import typer

from harness.cli.status import Status, UsageError, guarded, interruptible, say
from harness.lab.vm.box import box as made_box
from harness.lab.vm.box import boxes, remove_boxes
from harness.lab.vm.kernels import SUITES

ACTIONS = ("build", "list", "remove")


def box(
    action: Annotated[str, typer.Argument(metavar="build|list|remove", help="What to do.")],
    kernel: Annotated[str, typer.Option(metavar="NAME", help=f"Whose kernel: {', '.join(SUITES)}.")] = next(iter(SUITES)),
) -> int:
    """Build the box that Vagrant's nodes are made of, from Debian's packages; list or remove those in the cache.

    A box holds all that meshproof needs, and one of Debian's kernels. It is kept in the cache under the versions of
    its packages, and built anew only when they change. Needs root.

    Exit status: 0 done, 2 bad input, 3 this machine cannot, 130 interrupted.

    \b
    Examples:
      sudo meshproof box build
      sudo meshproof box build --kernel 6.12
      vagrant box add --name meshproof/debian-6.1 "$(meshproof box list | tail -1)"
      sudo meshproof box remove
    """

    def command() -> int:
        if action not in ACTIONS:
            raise UsageError(f"box {action}: there is {', '.join(ACTIONS)}")
        if kernel not in SUITES:
            raise UsageError(f"there is no kernel {kernel!r}; there are {', '.join(SUITES)}")
        if action == "build":
            with interruptible():
                made = made_box(kernel, say)
            say(f"to have your own Vagrant know it: vagrant box add --force --name {made.name} {made.file}")
            typer.echo(str(made.file))
        for file in boxes() if action == "list" else remove_boxes() if action == "remove" else ():
            typer.echo(str(file))
        return Status.EXPECTED

    return guarded(command)
