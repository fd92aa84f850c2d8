"""The decision in words: a row a class of workload, both columns' answers, and what speaks for and against each."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.workload import Answer
from harness.report.claim_rows import AnswerRow, BlockRow, ClassRow
from harness.report.claims import COLUMNS
from harness.report.run import Run


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """An answer, the data plane that it is about, and why, a line each."""

    column: str
    answer: Answer
    dataplane: str
    blocking: list[str]
    missing: list[str]
    against: list[str]
    pro: list[str]


@dataclass(frozen=True, slots=True)
class ClassLine:
    """A class of workload with an answer a column, in the order of COLUMNS."""

    id: str
    title: str
    why: str
    rival: str
    answers: list[AnswerLine]


def decision(run: Run) -> list[ClassLine]:
    """The decision of a run; empty where it was not made."""
    return [] if run.decision is None else [_line(row) for row in run.decision.classes]


def decision_text(run: Run) -> str:
    """A table for a terminal, and of each answer what decides it most; empty where nothing was decided."""
    lines = decision(run)
    if not lines:
        return ""
    rows = [["", *COLUMNS.values()]] + [
        [line.title, *(f"{told.answer} ({told.dataplane})" for told in line.answers)] for line in lines
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(["May the sidecars be replaced? (docs/decision.md)", *table, *_why(lines)])


def _why(lines: list[ClassLine]) -> Iterator[str]:
    """What blocks or is missing, first of each; answers that the same thing decides are told together."""
    by_reason: dict[str, list[str]] = {}
    for line in lines:
        for told in line.answers:
            first = (told.blocking or told.missing)[:1]
            for text in first:
                by_reason.setdefault(text, []).append(line.title)
    for text, titles in by_reason.items():
        yield f"  {', '.join(dict.fromkeys(titles))}: {text}"


def _line(row: ClassRow) -> ClassLine:
    answers = [_answer(title, row.columns[column]) for column, title in COLUMNS.items() if column in row.columns]
    return ClassLine(row.id, row.title, row.why, row.rival, answers)


def _answer(column: str, row: AnswerRow) -> AnswerLine:
    blocking = [_block(each) for each in row.blocking]
    return AnswerLine(
        column, row.answer, row.dataplane, blocking, row.missing, row.evidence_against, row.evidence_for
    )  # fmt: skip


def _block(row: BlockRow) -> str:
    more = f" and {row.cases - 1} more" if row.cases > 1 else ""
    return f"{row.case or row.claim or row.feature or row.figure}{more}: {row.reason}"
