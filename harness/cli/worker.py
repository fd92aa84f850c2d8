"""``meshproof worker``."""

import hashlib
import os
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.status import guarded, say

_MACHINE = Path("/etc/machine-id")


def worker(
    scheduler: Annotated[
        str, typer.Argument(metavar="SCHEDULER", help="Dask's scheduler, as tcp://HOST:PORT or tls://HOST:PORT.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What reports call this worker; else a name made from the machine's id.")
    ] = None,
) -> int:
    """Measure blocks of campaigns that `bench --scheduler` spreads over machines.

    Stays until Ctrl-C; what it measures then is stopped, cleaned up, and handed to another worker. Blocks of several workers
    or campaigns on one machine take turns. Needs root, and the same checkout, commit and packages as the campaign's.
    Whoever reaches a scheduler without TLS can run programs on its workers as root: docs/machines.md says how to close that.

    Exit status: 0 ended by Ctrl-C, 3 this machine cannot, or the scheduler does not answer or has gone.

    \b
    Examples:
      dask scheduler --host 10.0.0.1 --port 8786
      sudo meshproof worker tcp://10.0.0.1:8786
      sudo meshproof worker tcp://10.0.0.1:8786 --name rack-2
    """

    def command() -> None:
        from harness.campaign.dask_crew import serve  # noqa: PLC0415 -- half a second, not for --help
        from harness.lab.port import LabError  # noqa: PLC0415
        from harness.lab.turns import workplace  # noqa: PLC0415

        if os.geteuid() != 0:
            raise LabError("making network namespaces must be done by root: run it with sudo")
        known = name or _default_name()
        say(f"meshproof: worker {known} of {scheduler}; Ctrl-C ends it")
        with workplace() as place:
            serve(scheduler, known, place)

    return guarded(command)


def _default_name() -> str:
    """The same after every start, and telling nothing of the machine."""
    known = _MACHINE.read_bytes() if _MACHINE.exists() else os.uname().nodename.encode()
    return f"worker-{hashlib.sha256(known).hexdigest()[:6]}"
