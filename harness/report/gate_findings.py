"""What a gate found: each thing that turns it red, and what a reader should know beside."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness.report.comparison import Comparison
from harness.report.schema import written_schema


class Kind(StrEnum):
    """What is wrong."""

    VOID = "void"
    REGRESSION = "regression"
    TARGET = "target"
    POLICY = "policy"
    MISSING = "missing"
    OUTCOME = "outcome"
    SUPPORT = "support"


class Finding(BaseModel):
    """One thing that must not be; ``where`` is a cell, a probe, a target or a case."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.text}"


class Gate(BaseModel):
    """What ``meshproof gate --json`` prints. ``notes`` turn nothing red.

    ``figures_judged``: how many figures were compared with the baseline as one family; none in a quick run.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    verdict: Literal["passed", "failed", "void"]
    status: int
    findings: list[Finding]
    notes: list[str]
    figures_judged: int
    outcomes_judged: int
    comparisons: list[Comparison] = []


class Found:
    """What is gathered while runs are judged."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.figures = 0
        self.outcomes = 0
        self.comparisons: list[Comparison] = []

    def red(self, kind: Kind, where: str, text: str) -> None:
        """Take down what turns the gate red."""
        self.findings.append(Finding(kind=kind, where=where, text=text))

    def gate(self) -> Gate:
        """The verdict: a void run cannot be judged, so that comes before all else."""
        void = any(each.kind is Kind.VOID for each in self.findings)
        verdict: Literal["passed", "failed", "void"] = "void" if void else "failed" if self.findings else "passed"
        return Gate(
            verdict=verdict, status={"passed": 0, "failed": 1, "void": 4}[verdict], findings=self.findings, notes=self.notes,
            figures_judged=self.figures, outcomes_judged=self.outcomes, comparisons=self.comparisons,
        )  # fmt: skip


def schema_text() -> str:
    """The JSON Schema of what ``gate --json`` prints, as committed in docs/schemas/gate.schema.json."""
    return written_schema(Gate)
