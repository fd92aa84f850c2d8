"""``meshproof report``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.status import UsageError, guarded, say
from harness.report import summary_text, write_reports


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs.")],
    evidence: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="A finished run that claims and the decision may rest upon too; repeat for more."),
    ] = None,
    rejudge: Annotated[
        bool, typer.Option("--rejudge", help="Judge by the files as they are, not as they were; the report says so.")
    ] = False,
) -> int:
    """Write the reports of finished runs anew, of `bench` and of `conform --out`, from the files in their folders alone.

    Needs neither root nor the machine that the run was made on. With --evidence, claims and the decision of one run of
    `bench` are judged anew, by what other finished runs found too: of `bench`, `conform --out` and `scale`. That needs the
    files that say what decides to be those from before the run; where they have changed, the recorded verdicts stand, unless
    --rejudge is given.

    \b
    Examples:
      meshproof report results/reference
      meshproof report results/conformance
      meshproof report results/mine --evidence results/l7 --evidence results/conformance
      meshproof report results/mine --evidence results/kernel-matrix
    """

    def command() -> None:
        if (evidence or rejudge) and len(runs) != 1:
            raise UsageError("--evidence and --rejudge are about one run: give one folder")
        if evidence or rejudge:
            from harness.report import judging  # noqa: PLC0415 -- pandas and scipy, only where something is judged

            stands = judging.judge_run(runs[0], evidence or [], rejudge=rejudge)
            if stands is not None:
                say(f"meshproof: {stands}")
        for run in runs:
            for path in write_reports(run):
                typer.echo(str(path))
            typer.echo(summary_text(run))

    return guarded(command)
