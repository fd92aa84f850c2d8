"""The L7 maturity matrix in words: what of each feature each data plane was seen to have in this run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.judge.maturity import Standing
from harness.report.conformance_run import MaturityCell, MaturityRow


@dataclass(frozen=True, slots=True)
class Told:
    """A cell in words, and the number of its reason among the matrix's, 0 for none."""

    standing: Standing
    words: str
    reason: int = 0


@dataclass(frozen=True, slots=True)
class Matrix:
    """A row a feature (with its note), a column a data plane; ``reasons`` are numbered from 1."""

    rows: list[tuple[str, str | None, list[Told]]]
    reasons: list[str]


def matrix(rows: Sequence[MaturityRow], planes: Sequence[str]) -> Matrix:
    """The rows told. A reason that several cells share is written once."""
    cells = [row.cells[plane] for row in rows for plane in planes]
    reasons = list(dict.fromkeys(cell.reason for cell in cells if cell.reason))
    numbers = {reason: number for number, reason in enumerate(reasons, 1)}
    return Matrix(
        [(row.feature, row.note, [_told(row.cells[plane], numbers) for plane in planes]) for row in rows],
        reasons,
    )


def _told(cell: MaturityCell, numbers: Mapping[str, int]) -> Told:
    return Told(cell.standing, words(cell), numbers.get(cell.reason, 0))


def words(cell: MaturityCell) -> str:
    """What a cell says, without its reason: ``28 of 30 passed``."""
    if cell.standing in (Standing.NOT_ASKED, Standing.UNSUPPORTED):
        return str(cell.standing)
    if cell.standing is Standing.PASS:
        return f"{cell.passed} passed"
    if cell.standing is Standing.PARTLY:
        return f"{cell.passed} passed, {cell.unsupported} unsupported"
    return f"{cell.passed} of {cell.asked} passed"


def maturity_lines(rows: Sequence[MaturityRow]) -> Iterator[str]:
    """A line a data plane for a terminal: how many features it has, and which it was not seen to have."""
    for plane in dict.fromkeys(plane for row in rows for plane in row.cells):
        by_standing: dict[Standing, list[str]] = {}
        for row in rows:
            by_standing.setdefault(row.cells[plane].standing, []).append(row.feature)
        said = [f"{len(by_standing.get(Standing.PASS, ()))} of {len(rows)} features pass"]
        for standing, features in ((each, by_standing.get(each, [])) for each in Standing if each is not Standing.PASS):
            if standing is Standing.NOT_ASKED and features:
                said.append(f"{len(features)} {standing}")
            elif features:
                said.append(f"{standing}: {', '.join(features)}")
        yield f"maturity of {plane}: {'; '.join(said)}"


def maturity_markdown(rows: Sequence[MaturityRow]) -> Iterator[str]:
    """A row a feature, a column a data plane, and the reasons below."""
    if not rows:
        return
    planes = list(rows[0].cells)
    told = matrix(rows, planes)
    yield from ("", f"| L7 maturity | {' | '.join(planes)} |", f"| {' | '.join(['---'] * (1 + len(planes)))} |")
    for feature, _, cells in told.rows:
        texts = (cell.words + (f" [{cell.reason}]" if cell.reason else "") for cell in cells)
        yield f"| {feature} | {' | '.join(texts)} |"
    yield ""
    yield from (f"{number}. {_escaped(reason)}" for number, reason in enumerate(told.reasons, 1))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
