"""The decision in words: a row a class of workload, both columns' answers, and what speaks for and against each."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.workload import Answer
from harness.report.claim_rows import AnswerRow, BlockRow, ClassRow
from harness.report.claims import COLUMNS
from harness.report.run import Run

NAMED = 3  # classes in a line of the terminal


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """An answer, the data plane that it is about, and why, a line each."""

    answer: Answer
    dataplane: str
    blocking: list[str]
    missing: list[str]
    against: list[str]
    pro: list[str]

    @property
    def grounds(self) -> str:
        """The one line that a reader needs first: what blocks, else what is missing, else what speaks for it."""
        for word, lines in (("blocked by: ", self.blocking), ("missing: ", self.missing), ("", self.pro)):
            if lines:
                more = f" (and {len(lines) - 1} more)" if len(lines) > 1 and word else ""
                return f"{word}{lines[0]}{more}"
        return ""


@dataclass(frozen=True, slots=True)
class ClassLine:
    """A class of workload; ``choices`` has an answer a column, in the order of COLUMNS."""

    id: str
    title: str
    why: str
    rival: str
    choices: dict[str, AnswerLine]


def decision(run: Run) -> list[ClassLine]:
    """The decision of a run; empty where it was not made."""
    return [] if run.decision is None else [_line(row) for row in run.decision.classes]


def decision_text(run: Run) -> str:
    """A table for a terminal, and of each answer what decides it most; empty where nothing was decided."""
    lines = decision(run)
    if not lines:
        return ""
    rows = [["", *COLUMNS.values()]] + [
        [line.title, *(f"{told.answer} ({told.dataplane})" for told in line.choices.values())] for line in lines
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(["May the sidecars be replaced? (docs/decision.md)", *table, *_why(lines)])


def _why(lines: list[ClassLine]) -> Iterator[str]:
    """What blocks or is missing, first of each; answers that the same thing decides are told together."""
    by_reason: dict[str, list[str]] = {}
    for line in lines:
        for told in line.choices.values():
            first = (told.blocking or told.missing)[:1]
            for text in first:
                by_reason.setdefault(text, []).append(line.title)
    for text, titles in by_reason.items():
        named = list(dict.fromkeys(titles))
        these = ", ".join(named) if len(named) <= NAMED else f"{named[0]} and {len(named) - 1} others"
        yield f"  {these}: {text}"


def _line(row: ClassRow) -> ClassLine:
    by_column: dict[str, AnswerRow] = dict(row.columns.items())
    choices = {column: _answer(by_column[column]) for column in COLUMNS if column in by_column}
    return ClassLine(row.id, row.title, row.why, row.rival, choices)


def _answer(row: AnswerRow) -> AnswerLine:
    blocking = [_block(each) for each in row.blocking]
    return AnswerLine(row.answer, row.dataplane, blocking, row.missing, row.evidence_against, row.evidence_for)


def _block(row: BlockRow) -> str:
    more = f" and {row.cases - 1} more" if row.cases > 1 else ""
    return f"{row.case or row.claim or row.feature or row.figure}{more}: {row.reason}"
