"""``meshproof report``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.status import guarded
from harness.report import summary_text, write_reports


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs.")],
) -> int:
    """Write the reports of finished runs anew, of `bench` and of `conform --out`, from the files in their folders alone.

    Needs neither root nor the machine that the run was made on.

    \b
    Examples:
      meshproof report results/reference
      meshproof report results/conformance
    """

    def command() -> None:
        for run in runs:
            for path in write_reports(run):
                typer.echo(str(path))
            typer.echo(summary_text(run))

    return guarded(command)
