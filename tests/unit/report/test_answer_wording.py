"""What the first page says of claims and of the decision, and what it says where a run has none."""

import json
from pathlib import Path
from typing import Any

import pytest
from judged_run import judged

from harness.model.claim import Verdict
from harness.model.workload import Answer
from harness.report import answer
from harness.report.anchors import anchor, back_links
from harness.report.claim_rows import EvidenceRow, LinkRow
from harness.report.claims import claim_lines
from harness.report.decision import AnswerLine, decision
from harness.report.run import Run, read_run

REFERENCE = Path(__file__).parents[3] / "results" / "reference" / "run.json"


@pytest.fixture(scope="module")
def run() -> Run:
    return Run.model_validate(judged(json.loads(REFERENCE.read_text())))


def changed(run: Run, **fields: Any) -> Run:
    return run.model_copy(update=fields)


def test_a_claim_has_both_columns_and_its_figure_with_its_interval(run: Run) -> None:
    claims = {claim.id: claim for claim in claim_lines(run)}
    row = next(row for row in run.claims if (row.id, row.column) == ("PERF-2", "possible"))
    side = claims["PERF-2"].sides["possible"]
    assert set(claims["PERF-2"].sides) == {"as_shipped", "possible"}
    assert side.found == f"{row.estimate:.2f} ({row.low:.2f} to {row.high:.2f})"
    assert (side.verdict, side.endpoints[0].wanted) == (row.verdict, "at most 0.8")
    assert claims["PERF-2"].told
    assert not claims["PERF-5"].told


def test_verdicts_are_counted_by_column(run: Run) -> None:
    first = run.claims[0]
    rows = [
        first.model_copy(update={"id": name, "column": "as_shipped", "verdict": Verdict(verdict)})
        for name, verdict in (("A", "refuted"), ("B", "supported"), ("C", "supported"), ("D", "untested"))
    ]
    said = answer.claims_sentences(claim_lines(changed(run, claims=rows)))
    assert said == [("As shipped today", "of 4 claims, 2 supported, 1 refuted and 1 untested.")]


def test_decisions_are_counted_by_column(run: Run) -> None:
    decided = decision(run)
    assert [name for name, _ in answer.decision_sentences(decided)] == ["As shipped today", "Shown possible here"]
    (_, shipped), _ = answer.decision_sentences(decided)
    assert (
        shipped == "of 8 classes of workload, replace the sidecars in 1, replace them for L4 only in 3, keep them in 1 and "
        "not known in 3."
    )


def choice(answer: Answer, blocking: list[str], missing: list[str], pro: list[str]) -> AnswerLine:
    return AnswerLine(answer, "ebpf", blocking, missing, [], pro)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (choice(Answer.KEEP, ["a", "b"], ["c"], []), "blocked by: a (and 1 more)"),
        (choice(Answer.UNKNOWN, [], ["c"], ["d"]), "missing: c"),
        (choice(Answer.REPLACE, [], [], ["d", "e"]), "d"),
        (choice(Answer.UNKNOWN, [], [], []), ""),
    ],
)
def test_the_grounds_are_first_what_blocks(line: AnswerLine, said: str) -> None:
    assert line.grounds == said


def test_blocking_names_the_case_or_the_claim(run: Run) -> None:
    policy = next(kind for kind in decision(run) if kind.id == "http-policy")
    assert policy.choices["as_shipped"].blocking == ["l7/path-exact: unsupported on ebpf", "L7-2: untested"]


def test_a_run_without_claims_says_what_is_missing_and_why(run: Run, quick_folder: Path) -> None:
    assert answer.unanswered(run) == []
    (older,) = answer.unanswered(changed(run, claims=[], decision=None))
    assert older.startswith("This run carries no decision and no verdicts on claims: it was made before")
    (undecided,) = answer.unanswered(changed(run, decision=None))
    assert undecided.startswith("This run carries no decision: ")
    (quick,) = answer.unanswered(read_run(quick_folder))
    assert quick.startswith("This is a quick run: it judges no claim")
    assert decision(read_run(quick_folder)) == []


def link(run: str, what: str, where: str) -> LinkRow:
    return LinkRow(run=run, what=what, where=where)


def test_a_link_leads_to_the_figure_of_its_metric_else_to_its_scenario(run: Run) -> None:
    dots, costs = "plot-http-cross-node-latency-1000-dots", "plot-http-cross-node-cost-1000-cpu_per_request"
    keys = [dots, costs]
    assert anchor(run, keys, link("", "latency_p50", "http-cross-node/latency-1000")) == dots
    assert anchor(run, keys, link("", "cell", "http-cross-node/cost-1000 cpu_per_request")) == costs
    assert anchor(run, keys, link("", "cell", "http-cross-node/cost-1000")) == costs
    assert anchor(run, keys, link("", "cell", "http-same-node/maximum")) == "figures-http-same-node"
    assert anchor(run, keys, link("", "case", "policy/np-default-deny")) is None
    elsewhere = EvidenceRow(folder="l7", kind="bench", started="2026-01-01T00:00:00+00:00", digest="0")
    with_evidence = changed(run, evidence=[elsewhere])
    assert anchor(with_evidence, keys, link("l7", "cell", "http-cross-node/latency-1000")) is None
    assert anchor(with_evidence, keys, link("reference", "latency_p50", "http-cross-node/latency-1000")) == dots


def test_a_figure_leads_back_to_each_claim_once(run: Run) -> None:
    dots = "plot-http-cross-node-latency-1000-dots"
    assert back_links(run, [dots], claim_lines(run))[dots] == ["PERF-2", "PERF-4"]
