"""Reading the folder of a conformance run: ``results.json`` (format 1).

The models are the format: docs/schemas/conformance-run.schema.json is generated from them. ``results`` has the rows of
conformance.schema.json, so that a program that reads those may be given either file. Fields are only ever added.
"""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.judge.maturity import Standing
from harness.model.case import CaseOutcome, CaseResult
from harness.model.fault import Symptom
from harness.report.convergence import Convergence
from harness.report.run import RunError

FILE = "results.json"
FORMAT = 1


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class NamedPlane(_Row):
    """A data plane that cases were asked of."""

    name: str
    title: str


class CaseRow(_Row):
    """A case: what it is about, which features it needs, and the way around policy that it tries, if it does."""

    case: str
    area: str
    title: str
    folder: str
    features: list[str]
    technique: str | None = None


class ResultRow(_Row):
    """A case on a data plane; see CaseResult."""

    case: str
    area: str
    dataplane: str
    outcome: CaseOutcome
    expected: bool
    reason: str = ""
    evidence: str = ""
    rule: str | None = None
    symptoms: list[Symptom] = []
    seconds: float = 0.0
    admitted_meanwhile: int = 0


class ControlRow(_Row):
    """How many different flows were asked where nothing denies, by what became of them."""

    dataplane: str
    flows: dict[str, int]


class EntryRow(_Row):
    """An outcome that is known and accepted, and why."""

    case: str
    dataplane: str
    outcome: CaseOutcome
    reason: str


class ChangeRow(_Row):
    """What was expected of a case on a data plane by the run of commit ``since``, and what is now."""

    case: str
    dataplane: str
    before: str
    after: str
    since: str


class CanaryRow(_Row):
    """What was seen of a flow that a change denies, begun again and again through it; see CanarySeen."""

    flow: str
    seconds: float
    meanwhile: int
    admitted: int
    last: float
    after: int
    late: int
    latest: float


class MaturityCell(_Row):
    """What is known of a feature on a data plane: ``passed`` of ``asked`` cases; ``unsupported`` more it declares to lack."""

    standing: Standing
    passed: int = 0
    asked: int = 0
    unsupported: int = 0
    reason: str = ""


class MaturityRow(_Row):
    """A feature of the L7 maturity matrix: the run's cases that show it, and a cell a data plane."""

    feature: str
    note: str | None = None
    cases: list[str] = []
    cells: dict[str, MaturityCell]


class ConformanceRun(_Row):
    """``results.json``. ``convergence``: seconds of every change of policy, from handing it over to its enforcement.

    ``canaries``: of some of those changes, by data plane, what became of a flow that they deny.
    ``maturity``: empty where no case of the run shows any of its features.
    ``compared_with``: the commit of the run with which expectations were compared, None where there was none.
    """

    format: Literal[1]
    started: str
    seconds: float
    command: str
    fingerprint: dict[str, str]
    dataplanes: list[NamedPlane]
    cases: list[CaseRow]
    results: list[ResultRow]
    convergence: dict[str, list[float]] = {}
    canaries: dict[str, list[CanaryRow]] = {}
    control: ControlRow
    expectations: list[EntryRow] = []
    expectation_changes: list[ChangeRow] = []
    compared_with: str | None = None
    troubles: list[str] = []
    maturity: list[MaturityRow] = []

    def rows(self) -> dict[str, list[str]]:
        """In which rows of a matrix each case counts: of the features that it needs, or of its technique, for it needs none."""
        return {case.case: [case.technique] if case.technique else case.features for case in self.cases}

    def outcomes(self) -> list[CaseResult]:
        """The results as values."""
        return [
            CaseResult(
                row.case, row.area, row.dataplane, row.outcome, row.reason, row.evidence, row.rule,
                expected=row.expected, seconds=row.seconds, symptoms=tuple(row.symptoms),
                admitted_meanwhile=row.admitted_meanwhile,
            )
            for row in self.results
        ]  # fmt: skip

    def took(self) -> dict[str, Convergence]:
        """How long changes of policy took, of each data plane on which there were any."""
        return {
            name: Convergence.of(seconds, self.canaries.get(name, ())) for name, seconds in self.convergence.items() if seconds
        }


def read_conformance(folder: Path) -> ConformanceRun:
    """Read the results of a run's folder. Raises RunError."""
    file = folder / FILE
    try:
        document = json.loads(file.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as fault:
        raise RunError(f"{file}: cannot be read: {fault}") from fault
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise RunError(f"{file}: format {found!r}, but this meshproof reads format {FORMAT}; use the one that wrote it")
    try:
        return ConformanceRun.model_validate(document)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{file}: {where}: {first['msg']}, found {str(first['input'])[:80]!r}") from fault


def schema_text() -> str:
    """The JSON Schema of ``results.json``, as committed in docs/schemas/conformance-run.schema.json."""
    schema = ConformanceRun.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
