"""``meshproof history``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.compare import check_file
from harness.cli.status import Status, UsageError, guarded, say

RESULTS = Path("results")


def history(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="Folders that hold runs' folders; results/ when none is given."),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A metric, as run.json names it; repeat for more.")
    ] = None,
    scenario: Annotated[str | None, typer.Option(metavar="NAME", help="Only this scenario's figures.")] = None,
    dataplane: Annotated[str | None, typer.Option(metavar="NAME", help="Only this data plane's figures.")] = None,
    load: Annotated[str | None, typer.Option(metavar="NAME", help="Only figures of this load.")] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The data plane that ratios are to; without, each run's first, its control."),
    ] = None,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="Figures in their own unit instead of ratios within runs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print runs and courses as JSON.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Write a page, history.html in the first FOLDER.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="With --html: the page's file.")] = None,
) -> int:
    """Show many finished runs, and the course of a figure over them: how it moved, on each set-up for itself.

    Without an option that names a figure, the runs alone. A set-up is a run's fingerprint but for commit and seed; figures of
    different set-ups are never in one course. Needs no root. Files that cannot be read are named and left out.

    Exit status: 0; 2 where there is no run.

    \b
    Examples:
      meshproof history
      meshproof history --metric cpu_per_request --dataplane ebpf
      meshproof history --metric latency_p50 --scenario http-cross-node --against sidecar --json
      meshproof history results /srv/runs --html --out history.html
    """

    def command() -> int:
        if out is not None and not html:
            raise UsageError("--out is the page's file: it goes with --html")
        if absolute and against:
            raise UsageError("--absolute and --against exclude each other: give one of them")
        where = folders or [RESULTS]
        file = (out or where[0] / "history.html") if html else None
        check_file("--out", file)
        from harness.history.courses import Question, courses  # noqa: PLC0415 -- DuckDB and scipy, not for --help
        from harness.history.database import database  # noqa: PLC0415 -- the same
        from harness.history.document import document, terminal  # noqa: PLC0415 -- the same
        from harness.history.runs import known_runs  # noqa: PLC0415 -- the same
        from harness.report.metrics import HEADLINE  # noqa: PLC0415 -- the same

        named = bool(metric or scenario or dataplane or load or against or absolute)
        asked = Question(tuple(metric or HEADLINE), scenario, load, dataplane, against, absolute)
        with database() as connection:
            known = known_runs(connection, where)
            found = courses(connection, known.runs, asked, known.skipped) if named or html else []
        for line in known.skipped:
            say(f"meshproof: {line}")
        if named and not found:
            say("meshproof: no run has such a figure; `run.json` of a run names its metrics, scenarios and loads")
        if file is not None:
            from harness.history.page import history_page  # noqa: PLC0415 -- matplotlib, only when a page is made

            file.write_text(history_page(known, found))
            say(f"wrote {file}")
        if as_json:
            typer.echo(document(known, found).model_dump_json(indent=1))
        elif file is None:
            typer.echo("\n".join(terminal(known, found)))
        return Status.EXPECTED

    return guarded(command)
