"""The folder of a conformance run: ``meshproof conform --out``."""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.campaign.conformance.run import Outcomes
from harness.campaign.conformance.summary import summarise
from harness.cli.status import UsageError, say
from harness.dataplanes.port import DataPlane
from harness.judge.conformance import gate
from harness.lab.build import ROOT
from harness.lab.machine import fingerprint
from harness.model.case import Case, ExpectedOutcome
from harness.model.maturity import MaturityFeature
from harness.report import write_reports

RESULTS = "results.json"
REFERENCE = ROOT / "results" / "conformance" / RESULTS
"""The committed run with whose expectations those of a new run are compared."""


class Folder:
    """Made before anything is run: what cannot be written must not cost six minutes. Raises UsageError."""

    def __init__(self, path: Path) -> None:
        if (path / RESULTS).exists():
            raise UsageError(f"{path} holds a run already; name another folder, or remove it")
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._machine = fingerprint()
        self._began = datetime.now(UTC), time.monotonic()

    def write(
        self,
        cases: Sequence[Case],
        planes: Sequence[DataPlane],
        control: DataPlane,
        outcomes: Outcomes,
        listed: Sequence[ExpectedOutcome],
        features: Sequence[MaturityFeature],
    ) -> None:
        """Write ``results.json`` and the reports made from it."""
        started, clock = self._began
        document = summarise(
            cases, planes, control, outcomes, gate(outcomes.results, listed), listed,
            started=started.isoformat(timespec="seconds"), seconds=time.monotonic() - clock, command=sys.argv[1:],
            fingerprint=self._machine, earlier=REFERENCE, features=features,
        )  # fmt: skip
        (self._path / RESULTS).write_text(document)
        for file in write_reports(self._path):
            say(f"wrote {file}")
