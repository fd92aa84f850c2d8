"""Rounds of a suite: kept, gone on with, and compared."""

import json
from pathlib import Path

import pytest

from harness.campaign.journal import CampaignError
from harness.campaign.repeats import repeated
from harness.judge.repeats import flakes
from harness.model.case import CaseOutcome, CaseResult
from harness.report.repeats import repeats_json, repeats_markdown

PASS, FAIL = CaseOutcome.PASS, CaseOutcome.FAIL
ASKED = ["policy/a on ebpf", "policy/b on ebpf"]


def results(second: CaseOutcome = PASS) -> list[CaseResult]:
    return [CaseResult("policy/a", "policy", "ebpf", PASS), CaseResult("policy/b", "policy", "ebpf", second)]


def test_an_interrupted_row_of_rounds_goes_on_where_it_was(tmp_path: Path) -> None:
    ran: list[int] = []

    def one(number: int) -> list[CaseResult]:
        if number == 3 and ran == [1, 2]:
            ran.append(0)
            raise KeyboardInterrupt
        ran.append(number)
        return results()

    with pytest.raises(KeyboardInterrupt):
        repeated(tmp_path, 4, one, ASKED, {}, go_on=False)
    rounds = repeated(tmp_path, 4, one, ASKED, {}, go_on=True)
    assert ran == [1, 2, 0, 3, 4]
    assert len(rounds.outcomes) == len(rounds.seconds) == 4
    assert flakes(rounds.outcomes) == []
    assert rounds.unexpected == 0


def test_rounds_of_another_suite_or_program_are_not_gone_on_with(tmp_path: Path) -> None:
    repeated(tmp_path, 1, lambda _: results(), ASKED, {"commit": "a"}, go_on=False)
    for asked, machine, go_on in ((ASKED[:1], {"commit": "a"}, True), (ASKED, {"commit": "b"}, True), (ASKED, {}, False)):
        with pytest.raises(CampaignError, match=str(tmp_path)):
            repeated(tmp_path, 2, lambda _: results(), asked, machine, go_on=go_on)


def test_a_case_that_differs_once_is_a_flake_and_is_told(tmp_path: Path) -> None:
    rounds = repeated(tmp_path, 3, lambda number: results(FAIL if number == 2 else PASS), ASKED, {}, go_on=False)
    (flake,) = flakes(rounds.outcomes)
    assert (flake.case, flake.outcomes) == ("policy/b", (PASS, FAIL, PASS))
    assert "`policy/b` on ebpf: 2 times pass, 1 times fail" in repeats_markdown(rounds.outcomes, rounds.seconds, [flake])
    written = json.loads(repeats_json(rounds.outcomes, rounds.seconds, [flake], {"commit": "a"}))
    assert written["flakes"] == [{"case": "policy/b", "dataplane": "ebpf", "outcomes": ["pass", "fail", "pass"]}]
    assert (written["rounds"], written["cases"], written["outcomes"]) == (3, 2, {"ebpf": {"pass": 2}})


def test_a_case_that_a_round_lacks_is_a_flake() -> None:
    assert len(flakes([{("a", "ebpf"): PASS}, {}])) == 1
