"""``meshproof explain``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.status import guarded


def explain(
    manifests: Annotated[list[Path], typer.Option("--manifests", help="Files or folders of Kubernetes YAML; repeatable.")],
    topology: Annotated[
        Path, typer.Option(help="Namespaces and pods, or what kubectl get namespaces,pods -A -o yaml printed.")
    ],
    flows: Annotated[Path, typer.Option(help="A list of flows, as YAML or JSON.")],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="More files or folders for --manifests.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON, in the flows' order.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse objects that are not judged.")] = False,
) -> int:
    """Say what should become of flows under policies, and which rule of which file decides.

    Needs neither root nor a lab. Objects that carry neither policy nor routing are counted on standard error.

    Example: meshproof explain --manifests policies/ --topology cluster.yaml --flows flows.yaml
    """

    def command() -> None:
        from harness.cli.explanation import explained  # noqa: PLC0415 -- readers and oracle, not for --help

        typer.echo(explained([*manifests, *(more or ())], topology, flows, strict=strict, as_json=as_json))

    return guarded(command)
