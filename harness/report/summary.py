"""The end of a run on a terminal: targets and headline figures in plain text."""

from collections.abc import Sequence
from pathlib import Path

from harness.report import sentences, tables
from harness.report.claims import claims_text
from harness.report.conformance_run import FILE, read_conformance
from harness.report.conformance_text import plane_lines
from harness.report.decision import decision_text
from harness.report.known_effects import known_effects_sentence
from harness.report.lookup import Figures
from harness.report.maturity import maturity_lines
from harness.report.paths import NONE, Shares, path_shares
from harness.report.run import Run, ScenarioRow, read_run
from harness.report.scaling import scaling_text


def summary_text(folder: Path) -> str:
    """Targets and headline table of a run's folder, or a line a data plane of conformance cases. Raises RunError."""
    if (folder / FILE).is_file():
        conformance = read_conformance(folder)
        lines = [*plane_lines(conformance.outcomes(), conformance.took()), *maturity_lines(conformance.maturity)]
        return "\n".join(lines) + "\n"
    run = read_run(folder)
    figures = Figures(run)
    parts = [_figures(figures, scenario) for scenario in run.scenarios]
    if run.scaling:
        parts.append("\n".join(scaling_text(run)))
    if run.targets and not run.indicative:
        parts.append(_targets(run))
    parts.extend(text for text in (claims_text(run), decision_text(run)) if text)
    said = [sentences.targets_sentence(run), sentences.policy_sentence(run)] if run.scenarios else []
    parts.append("\n".join([*said, sentences.void_sentence(run), known_effects_sentence(run)]))
    return "\n\n".join(parts) + "\n"


def _figures(figures: Figures, scenario: ScenarioRow) -> str:
    """A row a plane; in brackets how many times the first plane's."""
    glance = tables.glance(figures, scenario)
    rows = [["", *(label for label, _ in glance.columns)], ["", *(load for _, load in glance.columns)]]
    for plane, cells in glance.rows:
        rows.append([plane, *(cell.text + (f" ({cell.times}x)" if cell.times else "") for cell in cells)])
    head = f"{scenario.title} ({scenario.name}); (x): times {figures.planes[0]}"
    lacking = [
        f"  {row.dataplane} is unsupported: {row.reason}" for row in figures.run.unsupported if row.scenario == scenario.name
    ]
    ways = [
        f"  {table.plane}, {load}: {_met(table, cells)}"
        for table in path_shares(figures, scenario)
        for load, cells in table.rows
    ]
    return "\n".join([head, _columns(rows), *lacking, *ways])


def _met(table: Shares, cells: Sequence[str]) -> str:
    """The counts that a load's requests met."""
    met = [f"{name} {cell}" for (name, _), cell in zip(table.columns, cells, strict=True) if cell != NONE]
    return ", ".join(met) or "nothing counted"


def _targets(run: Run) -> str:
    lines = tables.target_lines(run)
    return "Targets\n" + _columns([[line.outcome, line.text, line.found, line.equality, line.where] for line in lines])


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
