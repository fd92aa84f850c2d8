"""The ``meshproof`` command."""

import sys
from typing import Annotated

import typer

from harness import __version__
from harness.cli import bench, clean, conform, doctor, explain, labs, mutate, report
from harness.cli.status import Status

app = typer.Typer(
    name="meshproof",
    help="Evidence on whether an eBPF mesh can replace the sidecar mesh, for which workloads, and at what cost.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.command("conform")(conform.conform)
app.command("mutate")(mutate.mutate)
app.command("explain")(explain.explain)
app.command("report")(report.report)
app.command("up")(labs.up)
app.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})(labs.exec_)
app.command("down")(labs.down)
app.command("clean")(clean.clean)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"meshproof {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line and exit with one of the statuses of docs/command-line.md."""
    try:
        status = app(standalone_mode=False)
    except typer.Abort:
        sys.exit(Status.INTERRUPTED)
    except typer.Exit as end:
        sys.exit(end.exit_code)
    except Exception as error:
        if not hasattr(error, "show"):
            raise
        error.show()  # click's own usage errors: what was wrong, and how to ask for help
        sys.exit(Status.BAD_INPUT)
    sys.exit(status or Status.EXPECTED)
