"""The ``meshproof`` command."""

import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from harness import __version__
from harness.cli.status import Status, reader_gone


class Verb(NamedTuple):
    """A subcommand: where its function is, and the first line of its help."""

    module: str
    function: str
    line: str
    settings: Mapping[str, Any] = MappingProxyType({})


VERBS = {
    "doctor": Verb("doctor", "doctor", "Say what this machine lacks, and the command that mends it."),
    "bench": Verb("bench", "bench", "Compare data planes on this machine and write a report."),
    "worker": Verb("worker", "worker", "Measure blocks of campaigns that `bench --scheduler` spreads over machines."),
    "scale": Verb("scale", "scale", "Measure how memory, idle CPU and latency grow with pods and policies."),
    "conform": Verb("conform", "conform", "Run conformance cases on data planes."),
    "mutate": Verb("mutate", "mutate", "Test the conformance suite with seeded faults."),
    "kernels": Verb("kernels", "kernels", "Check programs and conformance's core on other kernels, in virtual machines."),
    "box": Verb("box", "box", "Build the box that Vagrant's nodes are made of, list or remove those in the cache."),
    "explain": Verb("explain", "explain", "Say what should become of flows under policies, and which rule decides."),
    "route": Verb("route", "route", "Say where requests to Services and Gateways should go, and which rule decides."),
    "report": Verb("report", "report", "Write the reports of finished runs anew."),
    "compare": Verb("compare", "compare", "Compare two finished runs, figure by figure."),
    "gate": Verb("gate", "gate", "Judge finished runs against a baseline, for CI."),
    "history": Verb("history", "history", "Show many finished runs, and the course of a figure over them."),
    "up": Verb("labs", "up", "Bring a scenario's pods up and leave them up."),
    "exec": Verb(
        "labs", "exec_", "Run a program inside a pod of the lab that is up.",
        {"ignore_unknown_options": True, "allow_interspersed_args": False},
    ),
    "flows": Verb("flows", "flows", "Show the requests in the lab that is up, what became of each, and which way it took."),
    "down": Verb("labs", "down", "Take the lab that is up down again."),
    "clean": Verb("clean", "clean", "Remove everything that earlier runs and labs left behind on this machine."),
}  # fmt: skip
"""In the order of --help. A verb's module is imported only when the verb is used: some take a second to import."""


class Verbs(TyperGroup):
    """The subcommands, each made when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, for completion."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The subcommand called ``cmd_name``, or None."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        function = getattr(import_module(f"harness.cli.{verb.module}"), verb.function)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        alone.command(cmd_name, context_settings=dict(verb.settings))(function)
        return typer.main.get_command(alone)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List them in --help by their first lines, without making any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.line) for name, verb in VERBS.items()])


app = typer.Typer(
    name="meshproof",
    cls=Verbs,
    help="Evidence on whether an eBPF mesh can replace the sidecar mesh, for which workloads, and at what cost.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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
        sys.stdout.flush()
    except typer.Abort:
        sys.exit(Status.INTERRUPTED)
    except typer.Exit as end:
        sys.exit(end.exit_code)
    except BrokenPipeError:
        if not reader_gone():
            raise
        sys.exit(Status.READER_GONE)
    except Exception as error:
        if not hasattr(error, "show"):
            raise
        error.show()  # click's own usage errors: what was wrong, and how to ask for help
        sys.exit(Status.BAD_INPUT)
    sys.exit(status or Status.EXPECTED)
