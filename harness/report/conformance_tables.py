"""What stands in the tables of a conformance report, counted and grouped; the template only lays it out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.model.bypass import Technique
from harness.model.case import CaseOutcome
from harness.model.fault import Symptom
from harness.report.conformance_run import CaseRow, ConformanceRun, ResultRow
from harness.report.convergence import Convergence


@dataclass(frozen=True, slots=True)
class Tally:
    """How many results came to what, and how many of them were not expected.

    ``around``: those that let through what is denied, which is another failure than to deny what is allowed.
    """

    counts: Mapping[CaseOutcome, int]
    unexpected: int
    around: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


def tally(rows: Iterable[ResultRow]) -> Tally:
    """Count ``rows``; outcomes in the order of CaseOutcome, those that did not occur left out."""
    rows = list(rows)
    counts = Counter(row.outcome for row in rows)
    return Tally(
        {each: counts[each] for each in CaseOutcome if counts[each]},
        sum(not row.expected for row in rows),
        sum(row.outcome is CaseOutcome.FAIL and Symptom.ADMITS in row.symptoms for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Headline:
    """A data plane at a glance. ``meanwhile``: messages that were let through while a change that denies them was under way."""

    name: str
    title: str
    tally: Tally
    convergence: Convergence | None
    meanwhile: int


def headlines(run: ConformanceRun) -> list[Headline]:
    """A row a data plane."""
    took = run.took()
    return [
        Headline(
            plane.name,
            plane.title,
            tally(row for row in run.results if row.dataplane == plane.name),
            took.get(plane.name),
            sum(row.admitted_meanwhile for row in run.results if row.dataplane == plane.name),
        )
        for plane in run.dataplanes
    ]


def matrix(run: ConformanceRun, keys: Mapping[str, Sequence[str]]) -> list[tuple[str, list[Tally]]]:
    """A row a key, a column a data plane. ``keys`` are those of each case; a case counts in the row of each."""
    names = sorted({key for case in run.cases for key in keys[case.case]})
    return [
        (
            name,
            [
                tally(row for row in run.results if row.dataplane == plane.name and name in keys[row.case])
                for plane in run.dataplanes
            ],
        )
        for name in names
    ]


def by_feature(run: ConformanceRun) -> list[tuple[str, list[Tally]]]:
    """The matrix of features. Cases of the bypass catalogue need none, and stand in its own table."""
    return matrix(run, {case.case: case.features if case.technique is None else [] for case in run.cases})


def by_area(run: ConformanceRun) -> list[tuple[str, list[Tally]]]:
    """The matrix of areas."""
    return matrix(run, {case.case: [case.area] for case in run.cases})


def catalogue(run: ConformanceRun) -> list[tuple[str, list[Tally]]]:
    """What became of each technique on each data plane, in the catalogue's order."""
    rows = dict(matrix(run, {case.case: [case.technique] if case.technique else [] for case in run.cases}))
    return [(technique, rows[technique]) for technique in Technique if technique in rows]


def by_case(run: ConformanceRun) -> list[tuple[CaseRow, list[ResultRow | None]]]:
    """A row a case, a column a data plane: None where it was not judged."""
    found = {(row.case, row.dataplane): row for row in run.results}
    return [(case, [found.get((case.case, plane.name)) for plane in run.dataplanes]) for case in run.cases]


@dataclass(frozen=True, slots=True)
class Group:
    """Results of one data plane that have one reason."""

    dataplane: str
    outcome: CaseOutcome
    reason: str
    cases: list[str]


def known(run: ConformanceRun) -> list[Group]:
    """Failures and errors that the expectations list, by data plane and the reason that they give."""
    reasons = {(entry.case, entry.dataplane): entry.reason for entry in run.expectations}
    listed = [row for row in run.results if row.expected and row.outcome in (CaseOutcome.FAIL, CaseOutcome.ERROR)]
    return _grouped(run, listed, {id(row): reasons.get((row.case, row.dataplane), "") for row in listed})


def declared(run: ConformanceRun) -> list[Group]:
    """What data planes declare to lack, by data plane and reason. Where a case asks for it is left out."""
    rows = [row for row in run.results if row.outcome is CaseOutcome.UNSUPPORTED]
    return _grouped(run, rows, {id(row): row.reason.partition(" (asked for at ")[0].partition("\n")[0] for row in rows})


def _grouped(run: ConformanceRun, rows: Sequence[ResultRow], reasons: Mapping[int, str]) -> list[Group]:
    order = [plane.name for plane in run.dataplanes]
    groups: dict[tuple[str, CaseOutcome, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row.dataplane, row.outcome, reasons[id(row)]), []).append(row.case)
    found = [Group(*key, cases) for key, cases in groups.items()]
    return sorted(found, key=lambda group: order.index(group.dataplane))


@dataclass(frozen=True, slots=True)
class Surprise:
    """A result that was not expected: what was, and the command that shows it again."""

    row: ResultRow
    title: str
    wanted: str
    again: str


def surprises(run: ConformanceRun) -> list[Surprise]:
    """In the order of cases and data planes."""
    cases = {case.case: case for case in run.cases}
    entries = {(entry.case, entry.dataplane): entry for entry in run.expectations}
    found = []
    for row in run.results:
        if row.expected:
            continue
        entry = entries.get((row.case, row.dataplane))
        wanted = "pass, as nothing lists it" if entry is None else f"{entry.outcome}, as listed: {entry.reason}"
        case = cases[row.case]
        found.append(
            Surprise(row, case.title, wanted, f"sudo meshproof conform {case.folder} --dataplane {row.dataplane} --keep")
        )
    return found
