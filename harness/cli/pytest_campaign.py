"""Has the selected pairs of a case and a data plane judged, those of one topology in the same labs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.campaign.conformance.run import Conformance, Outcomes
from harness.cli.conform import CONTROL
from harness.cli.status import interruptible, status_of
from harness.dataplanes import find
from harness.judge.conformance import gate
from harness.model.case import Case, CaseOutcome, CaseResult, ExpectedOutcome
from harness.report.conformance_text import unexpected_lines

LINE_EVERY = 10.0  # seconds between lines of progress

Pair = tuple[Case, str]
"""A case and the name of a data plane."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a pair; ``said``: the lines of ``meshproof conform``; ``listed``: the reason that the expectations give.

    ``troubles`` came up when all had been judged and the labs were taken down; the last pair of the labs has them.
    """

    result: CaseResult
    said: str
    listed: str
    troubles: Sequence[str] = ()


class Campaign:
    """Judges pairs on demand: with the first that is asked for go all that share its labs."""

    def __init__(self, pairs: Sequence[Pair], listed: Sequence[ExpectedOutcome], say: Callable[[str], None]) -> None:
        self._pairs = pairs
        self._listed = listed
        self._say = say
        self._judged: dict[tuple[str, str], Judged] = {}

    def judge(self, case: Case, plane: str) -> Judged:
        """What became of one of the pairs."""
        if (case.id, plane) not in self._judged:
            self._run(self._sharing(case))
        return self._judged[case.id, plane]

    def _sharing(self, case: Case) -> tuple[Sequence[Case], Sequence[str]]:
        """The cases of ``case``'s topology that are asked of the same data planes as it is, and these."""
        planes: dict[str, list[str]] = {}
        for each, plane in self._pairs:
            if each.topology == case.topology:
                planes.setdefault(each.id, []).append(plane)
        cases = {each.id: each for each, _ in self._pairs if planes.get(each.id) == planes[case.id]}
        return list(cases.values()), planes[case.id]

    def _run(self, shared: tuple[Sequence[Case], Sequence[str]]) -> None:
        """Whatever keeps labs from being made, or cases from being judged, is an error of every pair that was to be judged."""
        cases, planes = shared
        try:
            with interruptible():
                outcomes = Conformance(cases, [find(name) for name in planes], find(CONTROL), Lines(self._say)).run()
        except Exception as error:
            if status_of(error) is None and not isinstance(error, OSError):
                raise
            results = [CaseResult(case.id, case.area, name, CaseOutcome.ERROR, str(error)) for case in cases for name in planes]
            outcomes = Outcomes(results)
        by_id = {case.id: case for case in cases}
        reasons = {(entry.case, entry.dataplane): entry.reason for entry in self._listed}
        for result in gate(outcomes.results, self._listed):
            key = (result.case, result.dataplane)
            said = "\n".join(unexpected_lines(by_id[result.case], result, self._listed))
            last = key == (cases[-1].id, planes[-1])
            self._judged[key] = Judged(result, said, reasons.get(key, ""), tuple(outcomes.troubles) if last else ())


class Lines:
    """A campaign's observer (see Observer): a line now and then, since items report only when their labs are done."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._planned = self._done = 0
        self._said = time.monotonic()

    def planned(self, cells: int, done: int, seconds: float) -> None:
        """See Observer."""
        self._planned, self._done = cells, done

    def added(self, cells: int) -> None:
        """See Observer."""
        self._planned += cells

    def began(self, what: str) -> None:
        """See Observer."""
        self._line(what)

    def finished(self, what: str) -> None:
        """See Observer."""
        self._done += 1
        self._line(f"{self._done}/{self._planned} {what}")

    def noted(self, what: str) -> None:
        """See Observer. Items report it."""

    def _line(self, text: str) -> None:
        if time.monotonic() - self._said >= LINE_EVERY:
            self._said = time.monotonic()
            self._say(text)
