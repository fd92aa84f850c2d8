"""Tables of what planes did and can do: the reachability matrix, and supported features."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.run import ConformanceRow, Run, ScenarioRow


@dataclass(frozen=True, slots=True)
class Probe:
    """A matrix's cell: what a plane did with a flow over all blocks."""

    outcome: str
    observed: str
    note: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """The reachability matrix of a scenario: a row a flow (with what is expected), a column a plane."""

    planes: list[str]
    rows: list[tuple[str, str, list[Probe | None]]]


def matrix(run: Run, scenario: ScenarioRow) -> Matrix:
    """Expected against observed, with each plane's own evidence. IPv4 and IPv6 share a row where nothing differs."""
    rows = [row for row in run.conformance if row.scenario == scenario.name]
    planes = [plane.name for plane in run.dataplanes if any(row.dataplane == plane.name for row in rows)]
    families: dict[tuple[str, str], list[tuple[list[Probe | None], list[int]]]] = {}
    for source, target, port, family, expected in dict.fromkeys(_flow(row) for row in rows):
        same = [row for row in rows if _flow(row) == (source, target, port, family, expected)]
        probes = [_probe([row for row in same if row.dataplane == plane]) for plane in planes]
        seen = families.setdefault((f"{source} → {target}:{port}", expected), [])
        alike = next((numbers for other, numbers in seen if other == probes), None)
        if alike is None:
            seen.append((probes, [family]))
        else:
            alike.append(family)
    return Matrix(
        planes,
        [
            (f"{flow}, {' and '.join(f'IPv{number}' for number in numbers)}", expected, probes)
            for (flow, expected), seen in families.items()
            for probes, numbers in seen
        ],
    )


def _flow(row: ConformanceRow) -> tuple[str, str, int, int, str]:
    return row.source, row.destination, row.port, row.family, row.expected


def _probe(rows: Sequence[ConformanceRow]) -> Probe | None:
    """The worst outcome, and in how many of the plane's probes of this flow it came."""
    if not rows:
        return None
    rank = {"fail": 0, "error": 1, "unsupported": 2, "pass": 3}
    worst = min(rows, key=lambda row: rank[row.outcome])
    same = [row for row in rows if row.outcome == worst.outcome]
    counted = "" if len(same) == len(rows) else f" in {len(same)} of {len(rows)} probes"
    notes = [worst.evidence, worst.rule, worst.reason if worst.outcome != "pass" else None]
    return Probe(worst.outcome, (worst.observed or "nothing") + counted, "; ".join(note for note in notes if note))


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a plane supports a feature: yes, no, unknown or not asked; how it denies, or why not."""

    answer: str
    note: str


@dataclass(frozen=True, slots=True)
class SupportTable:
    """A row a feature, a column a plane: the answer, and how it denies or why not."""

    planes: list[str]
    rows: list[tuple[str, list[Answer]]]


def support_table(run: Run) -> SupportTable:
    """What each plane says it supports, with reasons."""
    features = dict.fromkeys(feature for plane in run.dataplanes for feature in plane.supports)
    rows = []
    for feature in features:
        cells = []
        for plane in run.dataplanes:
            said = plane.supports.get(feature)
            note = "" if said is None else said.reason or (f"denies: {said.denies}" if said.denies else "")
            cells.append(Answer("not asked" if said is None else said.answer, note))
        rows.append((feature, cells))
    return SupportTable([plane.name for plane in run.dataplanes], rows)
