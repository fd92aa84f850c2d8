"""A conformance suite run several times in a row, a journal record a round."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.campaign.folder import JOURNAL
from harness.campaign.journal import CampaignError, Journal
from harness.judge.repeats import Round
from harness.model.case import CaseOutcome, CaseResult


@dataclass(frozen=True, slots=True)
class Rounds:
    """All rounds of a suite: what each came to, its seconds, and how many outcomes of all were not expected."""

    outcomes: Sequence[Round]
    seconds: Sequence[float]
    unexpected: int


def repeated(
    folder: Path,
    rounds: int,
    one: Callable[[int], Sequence[CaseResult]],
    asked: Sequence[str],
    fingerprint: Mapping[str, str],
    *,
    go_on: bool,
) -> Rounds:
    """Run ``one`` until the journal in ``folder`` holds ``rounds`` of it.

    ``asked`` names the cases and data planes. Raises CampaignError where the journal is of others, or of another machine
    or commit: rounds of different programs are not rounds of one suite.
    """
    there = (folder / JOURNAL).exists()
    if there and not go_on:
        raise CampaignError(f"{folder} holds rounds already: give another --out, or go on with them by --resume")
    if go_on and not there:
        raise CampaignError(f"{folder} holds no rounds to go on with: leave --resume out")
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / JOURNAL)
    try:
        if not there:
            journal.append("suite", asked=list(asked), fingerprint=dict(fingerprint))
        suite = next(iter(journal.records("suite")))
        if suite["asked"] != list(asked) or suite["fingerprint"] != dict(fingerprint):
            raise CampaignError(f"{folder} holds rounds of other cases, or of another program or machine; give another --out")
        for number in range(sum(1 for _ in journal.records("round")) + 1, rounds + 1):
            began = time.monotonic()
            results = one(number)
            journal.append(
                "round", number=number, seconds=time.monotonic() - began,
                results=[[each.case, each.dataplane, each.outcome, each.expected, each.reason] for each in results],
            )  # fmt: skip
        records = list(journal.records("round"))
    finally:
        journal.close()
    outcomes: list[Round] = [
        {(case, plane): CaseOutcome(outcome) for case, plane, outcome, *_ in record["results"]} for record in records
    ]
    unexpected = sum(not expected for record in records for _, _, _, expected, _ in record["results"])
    return Rounds(outcomes, [record["seconds"] for record in records], unexpected)
