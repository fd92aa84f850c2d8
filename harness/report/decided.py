"""The decision as rows of ``run.json``."""

from collections.abc import Sequence

from harness.judge.decision import Block, Decided
from harness.report.claim_rows import AnswerRow, BlockRow, ClassRow


def class_rows(decided: Sequence[Decided]) -> list[ClassRow]:
    """A row a class, in their order."""
    by_class: dict[str, list[Decided]] = {}
    for each in decided:
        by_class.setdefault(each.workload.id, []).append(each)
    return [
        ClassRow(
            id=name, title=columns[0].workload.title, why=columns[0].workload.why, rival=columns[0].workload.rival,
            columns={each.column.value: _answer(each) for each in columns},
        )
        for name, columns in by_class.items()
    ]  # fmt: skip


def _answer(decided: Decided) -> AnswerRow:
    return AnswerRow(
        answer=decided.answer, dataplane=decided.dataplane, evidence_for=list(decided.evidence_for),
        evidence_against=list(decided.evidence_against), blocking=[_block(each) for each in decided.blocking],
        missing=list(decided.missing),
    )  # fmt: skip


def _block(block: Block) -> BlockRow:
    return BlockRow.model_validate({block.what: block.name, "reason": block.reason, "cases": block.cases})
