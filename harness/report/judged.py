"""A judged claim as a row of ``run.json``."""

from collections.abc import Iterator, Mapping, Sequence

from harness.judge.claims import JudgedClaim
from harness.judge.evidence import Link
from harness.judge.verdict import Judged
from harness.judge.wording import endpoint_text, found_text
from harness.report.claim_rows import ClaimRow, EndpointRow, LinkRow


def claim_row(judged: JudgedClaim, subjects: Mapping[str, str]) -> ClaimRow:
    """The row; ``subjects`` say what each data plane is."""
    claim, deciding = judged.claim, judged.deciding
    endpoints = [_endpoint(each) for each in judged.endpoints]
    worst = _endpoint(deciding) if deciding is not None else None
    said = [] if deciding is None else [found_text(deciding), deciding.reason]
    return ClaimRow(
        id=claim.id, claim=claim.text, source=claim.source, note=claim.note, subject=_subject(judged, subjects),
        column=judged.column.value, endpoint=worst.endpoint if worst else "", threshold=worst.threshold if worst else None,
        estimate=worst.estimate if worst else None, low=worst.low if worst else None, high=worst.high if worst else None,
        verdict=judged.verdict, reason=judged.reason, evidence="; ".join(text for text in said if text),
        links=worst.links if worst else [], endpoints=endpoints,
    )  # fmt: skip


def _subject(judged: JudgedClaim, subjects: Mapping[str, str]) -> str:
    names = list(dict.fromkeys(name for each in judged.endpoints for name in _planes(each)))
    return "; ".join(f"{name}: {subjects[name]}" for name in names) or "nothing here yet"


def _planes(judged: Judged) -> Iterator[str]:
    for field in ("dataplane", "against", "more_than", "richer_than"):
        name = getattr(judged.endpoint.subject, field, None)
        if name:
            yield name


def _endpoint(judged: Judged) -> EndpointRow:
    bound = judged.endpoint.bound
    return EndpointRow(
        condition=judged.endpoint.condition, endpoint=endpoint_text(judged.endpoint),
        direction=bound.direction if bound else None, threshold=bound.value if bound else None,
        estimate=judged.estimate, low=judged.low, high=judged.high, level=judged.level or None, verdict=judged.verdict,
        reason=judged.reason, links=_links(judged.links),
    )  # fmt: skip


def _links(links: Sequence[Link]) -> list[LinkRow]:
    return [LinkRow(run=each.run, what=each.what, where=each.where) for each in links]
