"""A run's claims and its decision, read from ``run.json`` and worded. Nothing is judged here: what the run says is told.

A claim has a row a column: what a mesh *as shipped today* does, and what is *shown possible here*. Rows may lack any field
that did not exist when the run was made.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from harness.report.quantity import digits, interval, quantity, ratio, ratio_interval
from harness.report.run import Run

COLUMNS = {"as_shipped": "As shipped today", "possible": "Shown possible here"}
"""The two columns of every answer, as they are called in ``run.json`` and by a reader."""

VERDICTS = {"supported": "✓", "refuted": "✗", "mixed": "◐", "inconclusive": "≈", "untested": "–", "not comparable": "≠"}  # noqa: RUF001 -- a dash, as in the tables of conformance
"""Verdicts on a claim, in the order in which they are counted, and the sign of each."""

ANSWERS = {
    "replace": "replace the sidecars",
    "L4 only": "replace them for L4 only",
    "keep": "keep them",
    "unknown": "not known",
}
"""What may be decided for a class of workload, in the order in which it is counted, and in words."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where evidence is: a cell or a case, of this run where ``run`` is empty."""

    run: str
    what: str
    where: str


@dataclass(frozen=True, slots=True)
class Side:
    """A claim in one column: what decides, what was found, and the verdict."""

    column: str
    subject: str
    endpoint: str
    threshold: str
    found: str
    verdict: str
    reason: str
    evidence: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with its columns, by their names in ``run.json``."""

    id: str
    text: str
    source: str
    sides: dict[str, Side]

    @property
    def told(self) -> bool:
        """Whether there is more to tell than a verdict and its reason."""
        return any(side.found or side.evidence or side.links for side in self.sides.values())


@dataclass(frozen=True, slots=True)
class Choice:
    """What is decided for a class of workload in one column, and on what grounds."""

    answer: str
    dataplane: str = ""
    evidence_for: tuple[str, ...] = ()
    evidence_against: tuple[str, ...] = ()
    blocking: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def grounds(self) -> str:
        """The one line that a reader needs first: what blocks, else what is missing, else what speaks for it."""
        for word, lines in (("blocked by", self.blocking), ("missing", self.missing), ("", self.evidence_for)):
            if lines:
                more = f" (and {len(lines) - 1} more)" if len(lines) > 1 and word else ""
                return f"{word}: {lines[0]}{more}" if word else lines[0]
        return ""


@dataclass(frozen=True, slots=True)
class WorkloadClass:
    """A class of workload and what is decided for it, by column."""

    id: str
    title: str
    why: str
    choices: dict[str, Choice]


@dataclass(frozen=True, slots=True)
class Decision:
    """The whole decision. ``rule`` is the page that says how it is computed, ``digest`` that of what was fixed before."""

    rule: str
    digest: str
    classes: list[WorkloadClass] = field(default_factory=list)


def claims_of(run: Run) -> list[Claim]:
    """Every claim of the run once, in the run's order."""
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for row in map(_plain, run.claims):
        by_id.setdefault(_text(row.get("id")), []).append(row)
    return [
        Claim(
            name,
            next((text for row in rows if (text := _text(row.get("claim")))), name),
            next((text for row in rows if (text := _text(row.get("source")))), ""),
            {side.column: side for side in map(_side, rows)},
        )
        for name, rows in by_id.items()
    ]


def decision_of(run: Run) -> Decision | None:
    """The run's decision, or None where it made none."""
    if run.decision is None:
        return None
    made = _plain(run.decision)
    classes = [
        WorkloadClass(
            _text(row.get("id")),
            _text(row.get("title")) or _text(row.get("id")),
            _text(row.get("why")),
            {column: _choice(_plain(choice)) for column, choice in _plain(row.get("columns") or {}).items()},
        )
        for row in map(_plain, made.get("classes") or ())
    ]
    return Decision(_text(made.get("rule")), _text(made.get("digest")), classes) if classes else None


def decision_sentences(decision: Decision) -> list[tuple[str, str]]:
    """For each column its name and how many classes of workload came to which answer."""
    said = []
    for column, name in COLUMNS.items():
        counts = Counter(kind.choices[column].answer for kind in decision.classes if column in kind.choices)
        parts = [f"{words} in {counts[answer]}" for answer, words in ANSWERS.items() if counts[answer]]
        parts += [f"{answer} in {count}" for answer, count in counts.items() if answer not in ANSWERS]
        if parts:
            said.append((name, f"of {counts.total()} classes of workload, {_listed(parts)}."))
    return said


def claims_sentences(claims: Sequence[Claim]) -> list[tuple[str, str]]:
    """For each column its name and how many claims came to which verdict."""
    said = []
    for column, name in COLUMNS.items():
        counts = Counter(claim.sides[column].verdict for claim in claims if column in claim.sides)
        parts = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]]
        parts += [f"{count} {verdict}" for verdict, count in counts.items() if verdict not in VERDICTS]
        if parts:
            said.append((name, f"of {counts.total()} claims, {_listed(parts)}."))
    return said


def unanswered(run: Run) -> list[str]:
    """What a first page should say and this one cannot, and why; empty where the run has claims and a decision."""
    if run.indicative:
        return [
            "This is a quick run: it judges no claim and decides nothing, since one block has no interval. "
            "What follows is what it saw."
        ]
    lacking = [name for name, there in (("no decision", run.decision), ("no verdicts on claims", run.claims)) if not there]
    if not lacking:
        return []
    return [
        f"This run carries {_listed(lacking)}: it was made before claims were fixed and judged, "
        "or of scenarios that no claim is about. What follows are its targets and its figures."
    ]


def _side(row: Mapping[str, Any]) -> Side:
    links = [_plain(link) for link in row.get("links") or ()]
    return Side(
        column=_text(row.get("column")),
        subject=_text(row.get("subject")),
        endpoint=_text(row.get("endpoint")),
        threshold=_text(row.get("threshold")),
        found=_found(row),
        verdict=_text(row.get("verdict")) or "untested",
        reason=_text(row.get("reason")),
        evidence=_texts(row.get("evidence")),
        links=tuple(Link(*(_text(link.get(name)) for name in ("run", "what", "where"))) for link in links),
    )


def _found(row: Mapping[str, Any]) -> str:
    """The estimate with its interval; ``unit`` is that of a ratio where the row names none."""
    estimate, low, high = row.get("estimate"), row.get("low"), row.get("high")
    if not isinstance(estimate, int | float):
        return ""
    unit = row.get("unit") or "ratio"
    bounds = (low, high) if isinstance(low, int | float) and isinstance(high, int | float) else None
    if unit == "ratio":
        return ratio(estimate) + (f" ({ratio_interval(bounds)})" if bounds else "")
    return quantity(estimate, unit) + (f" ({interval(bounds, unit)})" if bounds else "")


def _choice(row: Mapping[str, Any]) -> Choice:
    blocking = []
    for each in row.get("blocking") or ():
        if isinstance(each, str):
            blocking.append(each)
            continue
        entry = _plain(each)
        name, reason = _text(entry.get("case") or entry.get("claim")), _text(entry.get("reason"))
        blocking.append(": ".join(part for part in (name, reason) if part))
    return Choice(
        _text(row.get("answer")) or "unknown",
        _text(row.get("dataplane")),
        _texts(row.get("evidence_for")),
        _texts(row.get("evidence_against")),
        tuple(blocking),
        _texts(row.get("missing")),
    )


def _plain(row: Any) -> Mapping[str, Any]:
    """A row as a mapping, whether it was read into a model or left as it stood."""
    if isinstance(row, BaseModel):
        return row.model_dump(by_alias=True)
    return row if isinstance(row, Mapping) else {}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return digits(value) if isinstance(value, int | float) else str(value)


def _texts(value: Any) -> tuple[str, ...]:
    """One text or several, as a row may have either; a mapping is told by its values."""
    if value is None or value == "":
        return ()
    if isinstance(value, str | int | float):
        return (_text(value),)
    if isinstance(value, Mapping | BaseModel):
        return (", ".join(filter(None, map(_text, _plain(value).values()))),)
    return tuple(text for each in value for text in _texts(each))


def _listed(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
