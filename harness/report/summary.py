"""The end of a run on a terminal: targets and headline figures in plain text."""

from collections.abc import Sequence
from pathlib import Path

from harness.report import sentences, tables
from harness.report.lookup import Figures
from harness.report.run import read_run


def summary_text(folder: Path) -> str:
    """Targets and headline table of a run's folder, ready to print. Raises RunError."""
    run = read_run(folder)
    figures = Figures(run)
    parts = []
    for scenario in run.scenarios:
        glance = tables.glance(figures, scenario)
        header = ["", *(f"{label} ({load})" for label, load in glance.columns)]
        rows = [
            [plane, *(f"{cell.text} [{cell.note}]" if cell.note else cell.text for cell in cells)]
            for plane, cells in glance.rows
        ]
        parts.append(f"{scenario.title} ({scenario.name})\n{_columns([header, *rows])}")
    if run.targets and not run.indicative:
        lines = tables.target_lines(run)
        rows = [[line.outcome, line.text, line.found, line.equality, line.where] for line in lines]
        parts.append("Targets\n" + _columns([["outcome", "target", "found", "features", "where"], *rows]))
    parts.append("\n".join([sentences.targets_sentence(run), sentences.policy_sentence(run), sentences.void_sentence(run)]))
    return "\n\n".join(parts) + "\n"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
