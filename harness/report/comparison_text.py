"""Two runs compared, worded: a line a figure, for a terminal and as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.judge.change import Word
from harness.report.comparison import ChangeRow, Comparison, RunName
from harness.report.metrics import metric_text
from harness.report.quantity import digits, quantity, ratio, ratio_interval
from harness.report.setups import ALLOWED

OF_TWO_TIMES = "of different times"
_ORDER = (Word.WORSE, Word.BETTER, Word.SAME)


@dataclass(frozen=True, slots=True)
class Line:
    """A figure in both runs. ``beside``: the figure in its own unit, which is of different times."""

    where: str
    plane: str
    metric: str
    figures: str
    change: str
    floor: str
    word: str
    beside: str

    @property
    def sentence(self) -> str:
        """All of it on one line."""
        said = f"{self.where}, {self.plane}, {self.metric}: {self.change}, {self.figures}; noise floor {self.floor}"
        return f"{said}; {self.beside}" if self.beside else said


def lines(comparison: Comparison, words: Sequence[Word] = _ORDER) -> list[Line]:
    """What was judged and of which one of ``words`` is said; with the control's own figures where all are asked for."""
    beside = {_of(row): row for row in comparison.rows if not row.judged}
    judged = [row for word in words for row in comparison.judged(word)]
    found = [line(row, beside.pop(_of(row), None)) for row in judged]
    control = [row for row in beside.values() if row.dataplane == comparison.control] if words == _ORDER else []
    return [*found, *(line(row, None) for row in control)]


def line(row: ChangeRow, beside: ChangeRow | None = None) -> Line:
    """A row, worded."""
    word = str(row.word)
    if not row.judged:
        word += f" ({OF_TWO_TIMES})"
    return Line(
        f"{row.scenario}/{row.load}", row.dataplane, metric_text(row.metric).label, _figures(row), change_text(row),
        "not known" if row.floor is None else f"{digits(row.floor * 100)} %", word,
        "" if beside is None else f"{_figures(beside)}, {change_text(beside)}, {OF_TWO_TIMES}",
    )  # fmt: skip


def change_text(row: ChangeRow) -> str:
    """``1.33 times (1.08 to 1.65)``."""
    if row.change is None:
        return "unbounded" if row.blocks else "no ratio"
    if not row.level:
        return f"{ratio(row.change)} times (no interval)"
    return f"{ratio(row.change)} times ({ratio_interval((row.low or 0.0, float('inf') if row.high is None else row.high))})"


def _figures(row: ChangeRow) -> str:
    if row.against is not None:
        return f"{ratio(row.before)} to {ratio(row.after)} times {row.against}"
    return f"{quantity(row.before, row.unit)} to {quantity(row.after, row.unit)}"


def _of(row: ChangeRow) -> tuple[str, str, str, str]:
    return row.scenario, row.load, row.metric, row.dataplane


def run_text(run: RunName) -> str:
    """Which run, in words."""
    return f"{run.folder} ({run.mode} run of {run.started}, commit {run.commit[:12]})"


def head(comparison: Comparison) -> Iterator[str]:
    """What is compared, first of all what differs between the set-ups."""
    if comparison.differs:
        yield "Different set-ups: " + "; ".join(map(str, comparison.differs)) + "."
        yield "So only ratios within each run are compared, and what the set-up did to them is in what follows."
    yield f"Before: {run_text(comparison.before)}."
    yield f"After: {run_text(comparison.after)}."
    if not comparison.differs:
        yield f"The same set-up; {' and '.join(ALLOWED)} are allowed to differ."
    if comparison.indicative:
        yield "One of the two is a quick run: no intervals, so no figure is judged."
    judged = comparison.judged()
    counts = ", ".join(f"{len(comparison.judged(word))} {word}" for word in _ORDER)
    level = next((row.level for row in judged if row.level), None)
    family = f", intervals of {level * 100:.4g} % each, which all hold together with 95 %" if level else ""
    yield f"{len(judged)} figures judged: {counts}{family}."


def terminal(comparison: Comparison) -> Iterator[str]:
    """All of it, for a terminal."""
    yield from head(comparison)
    word = ""
    for each in lines(comparison):
        if each.word != word:
            word = each.word
            yield ""
            yield f"{word}:"
        yield f"  {each.sentence}"
    if comparison.left_out:
        yield ""
        yield "not compared:"
        yield from (f"  {row.where}: {row.reason}" for row in comparison.left_out)


def markdown(comparison: Comparison) -> Iterator[str]:
    """All of it as Markdown; what is not distinguishable is folded away."""
    yield "## Two runs compared"
    yield ""
    yield from (f"- {text}" for text in head(comparison))
    told = lines(comparison, (Word.WORSE, Word.BETTER))
    if told:
        yield ""
        yield from table(told)
    rest = [each for each in lines(comparison) if each.word.startswith(str(Word.SAME)) or OF_TWO_TIMES in each.word]
    if rest:
        yield ""
        yield f"<details><summary>{len(rest)} more: not distinguishable, or of different times</summary>"
        yield ""
        yield from table(rest)
        yield ""
        yield "</details>"
    if comparison.left_out:
        yield ""
        yield "Not compared:"
        yield ""
        yield from (f"- {row.where}: {row.reason}" for row in comparison.left_out)


def table(rows: Sequence[Line]) -> Iterator[str]:
    """Figures as a table of Markdown."""
    yield "| | where | data plane | figure | change | before and after | noise floor | beside |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        cells = (row.word, row.where, row.plane, row.metric, row.change, row.figures, row.floor, row.beside)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
