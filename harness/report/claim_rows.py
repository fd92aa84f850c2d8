"""The rows of ``run.json`` that hold claims, the decision, and the other runs that they rest upon."""

from typing import Literal

from harness.model.claim import Verdict
from harness.model.workload import Answer
from harness.report.row import Number, Row


class LinkRow(Row):
    """Where evidence stands: a run's name (empty: all), what it is there (cell, cases, case, fit, feature), its name."""

    run: str
    what: str
    where: str


class EndpointRow(Row):
    """One thing that decides a claim. ``low`` and ``high`` are null without a figure, and where a ratio is unbounded."""

    condition: str
    endpoint: str
    direction: Literal["at most", "at least"] | None = None
    threshold: Number = None
    estimate: Number = None
    low: Number = None
    high: Number = None
    level: Number = None
    verdict: Verdict
    reason: str = ""
    links: list[LinkRow] = []


class ClaimRow(Row):
    """A claim in a column: two rows a claim. Endpoint, threshold and figures are those of its least favourable endpoint.

    ``evidence`` is that endpoint's finding in words; ``reason`` says under which conditions the claim holds, does not, or is
    open.
    """

    id: str
    claim: str
    source: str
    note: str | None = None
    subject: str
    column: Literal["as_shipped", "possible"]
    endpoint: str
    threshold: Number = None
    estimate: Number = None
    low: Number = None
    high: Number = None
    verdict: Verdict
    reason: str
    evidence: str
    links: list[LinkRow] = []
    endpoints: list[EndpointRow] = []


class BlockRow(Row):
    """What forbids to replace: one of case, claim, figure and feature is its name. ``cases`` are as many alike, one named."""

    reason: str
    case: str | None = None
    claim: str | None = None
    figure: str | None = None
    feature: str | None = None
    cases: int = 1


class AnswerRow(Row):
    """What to do about the sidecars of a class of workload, if ``dataplane`` took their place."""

    answer: Answer
    dataplane: str
    evidence_for: list[str] = []
    evidence_against: list[str] = []
    blocking: list[BlockRow] = []
    missing: list[str] = []


class ClassRow(Row):
    """A class of workload, taken from ``rival``, in both columns."""

    id: str
    title: str
    why: str
    rival: str = ""
    columns: dict[Literal["as_shipped", "possible"], AnswerRow]


class DecisionRow(Row):
    """The decision. ``rule`` is where the rule is written, ``digest`` the SHA-256 of that file when it was applied."""

    rule: str
    digest: str
    classes: list[ClassRow]


class EvidenceRow(Row):
    """Another run that verdicts rest upon. ``folder`` is its name; ``digest`` is of its run.json or results.json.

    ``fingerprint_differs``: what of its machine and versions is other than this run's. ``unusable``: why its figures decide
    nothing.
    """

    folder: str
    kind: Literal["bench", "conform", "scale"]
    started: str
    digest: str
    fingerprint_differs: list[str] = []
    unusable: str | None = None
