"""``meshproof conform --coverage``: what the cases ask about. Runs nothing, and needs no root."""

from collections.abc import Sequence
from pathlib import Path

import typer

from harness.campaign.coverage.pairs import coverage
from harness.manifests.faults import load_faults
from harness.manifests.place import SCENARIOS
from harness.model.case import Case
from harness.report.coverage import coverage_json, coverage_lines


def show_coverage(cases: Sequence[Case], json: Path | None) -> None:
    """Print the table of pairs, and write it as JSON where a file is named. Seeded faults name shipped cases only."""
    shipped = (SCENARIOS / "conformance").resolve()
    ours = any(Path(case.origin.file).resolve().is_relative_to(shipped) for case in cases)
    found = coverage(cases, load_faults() if ours else ())
    if json is not None:
        json.write_text(coverage_json(found))
    for line in coverage_lines(found):
        typer.echo(line)
