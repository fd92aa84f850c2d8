"""``meshproof doctor``."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from harness.cli.status import Status, guarded
from harness.lab.machine import findings


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> int:
    """Say what this machine lacks, the command that mends it, and what is unsupported until then.

    Exit status 0 when nothing is lacking, 3 otherwise.

    Example: sudo meshproof doctor
    """

    def command() -> int:
        found = list(findings())
        if as_json:
            typer.echo(json.dumps([asdict(finding) for finding in found], indent=2))
        else:
            for finding in found:
                typer.echo(f"{'ok     ' if finding.ok else 'LACKING'}  {finding.subject}: {finding.found}")
                if not finding.ok:
                    typer.echo(f"         mend it:      {finding.mends}")
                    typer.echo(f"         until then:   {finding.consequence}")
        return Status.EXPECTED if all(finding.ok for finding in found) else Status.CANNOT

    return guarded(command)
