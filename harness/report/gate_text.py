"""A gate's verdict, worded: for a terminal, and as the Markdown of a summary in CI."""

from collections.abc import Iterator

from harness.judge.change import Word
from harness.report.comparison_text import lines, run_text, table
from harness.report.gate_findings import Gate

_SAID = {
    "passed": "Passed: nothing is worse than it may be.",
    "failed": "Failed.",
    "void": "Void: the run cannot be judged; measure again.",
}


def scope(gate: Gate) -> str:
    """What was judged, in words."""
    parts = []
    if gate.comparisons:
        figures = f"{gate.figures_judged} figures against the baseline, as one family of 95 %"
        parts.append(figures if gate.figures_judged else "no figures")
    if gate.outcomes_judged:
        outcomes = "1 outcome" if gate.outcomes_judged == 1 else f"{gate.outcomes_judged} outcomes"
        parts.append(f"{outcomes} of conformance cases")
    return f"Judged: {'; '.join(parts)}." if parts else "Judged: nothing."


def terminal(gate: Gate) -> Iterator[str]:
    """Findings, notes and verdict, the verdict last."""
    for comparison in gate.comparisons:
        yield f"run: {run_text(comparison.after)}"
        yield f"baseline: {run_text(comparison.before)}"
    yield from (f"note: {note}" for note in gate.notes)
    yield from (str(finding) for finding in gate.findings)
    yield scope(gate)
    yield _SAID[gate.verdict]


def markdown(gate: Gate) -> Iterator[str]:
    """The verdict first, then findings, changes, and notes."""
    yield f"## Gate: {gate.verdict}"
    yield ""
    yield f"{_SAID[gate.verdict]} {scope(gate)}"
    if gate.findings:
        yield ""
        yield "| | where | what |"
        yield "| --- | --- | --- |"
        for finding in gate.findings:
            cells = (str(finding.kind), finding.where, finding.text)
            yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
    for comparison in gate.comparisons:
        yield ""
        yield f"Run: {run_text(comparison.after)}. Baseline: {run_text(comparison.before)}."
        told = [] if comparison.indicative else lines(comparison, (Word.WORSE, Word.BETTER))
        if told:
            yield ""
            yield from table(told)
    if gate.notes:
        yield ""
        yield f"<details><summary>{len(gate.notes)} {'note' if len(gate.notes) == 1 else 'notes'}</summary>"
        yield ""
        yield from (f"- {note}" for note in gate.notes)
        yield ""
        yield "</details>"
