"""The folder of a conformance run: results.json as the campaign writes it, and the reports made of it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.campaign.conformance.run import Outcomes
from harness.campaign.conformance.summary import summarise
from harness.dataplanes import find
from harness.judge.conformance import gate
from harness.manifests.case import load_cases
from harness.model.canary import CanarySeen
from harness.model.case import CaseOutcome, CaseResult, ExpectedOutcome
from harness.model.fault import Symptom
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.report import RunError, conformance_tables, summary_text, write_reports
from harness.report.conformance_run import ConformanceRun, read_conformance, schema_text
from harness.report.convergence import Canaries, Convergence

SCENARIOS = Path(__file__).parents[3] / "scenarios" / "conformance"
SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "conformance-run.schema.json"
CASES = load_cases(
    [SCENARIOS / "policy" / "cnp-icmp", SCENARIOS / "policy" / "np-port-udp", SCENARIOS / "bypass" / "uid-egress"]
)
PLANES = [find("sidecar-mtls"), find("ebpf")]
OUTCOMES = {
    ("policy/cnp-icmp", "sidecar-mtls"): (CaseOutcome.UNSUPPORTED, "policy-cilium: not compiled (asked for at a.yaml:1)"),
    ("policy/np-port-udp", "ebpf"): (CaseOutcome.FAIL, "scenario.yaml:9: expected denied, observed <b>forwarded</b>"),
    ("bypass/uid-egress", "sidecar-mtls"): (CaseOutcome.FAIL, "observed forwarded"),
}
LISTED = [
    ExpectedOutcome(Origin("e.yaml", 2), "bypass/uid-egress", "sidecar-mtls", CaseOutcome.FAIL, "the proxy's uid is exempt")
]


def written(folder: Path, earlier: Path | None = None, listed: list[ExpectedOutcome] = LISTED) -> Path:
    folder.mkdir(exist_ok=True)
    results = []
    for case in CASES:
        for plane in PLANES:
            outcome, reason = OUTCOMES.get((case.id, plane.name), (CaseOutcome.PASS, ""))
            results.append(CaseResult(case.id, case.area, plane.name, outcome, reason, "no record", "a.yaml:4", seconds=1.25))
    seen = CanarySeen(Flow("shop/a", "shop/b", 80), 0.004, meanwhile=40, admitted=3, last=0.0031, after=5, late=0, latest=0.0)
    outcomes = Outcomes(
        results,
        {"ebpf": [0.001, 0.004, 0.002]},
        {"ebpf": [seen, seen]},
        {Verdict.FORWARDED: 7, Verdict.DROPPED: 1},
        ["a link stayed"],
    )
    document = summarise(
        CASES, PLANES, find("plain"), outcomes, gate(results, listed), listed, started="2026-01-05T09:30:00+00:00",
        seconds=61.0, command=["conform", "my cases"], fingerprint={"commit": "0123456789abcdef"}, earlier=earlier,
    )  # fmt: skip
    (folder / "results.json").write_text(document)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def reports(folder: Path) -> Path:
    names = ("report.html", "report.pdf", "junit.xml", "summary.md")
    assert write_reports(folder) == [folder / name for name in names]
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> ConformanceRun:
    return read_conformance(folder)


def test_the_committed_schema_is_the_format() -> None:
    again = "python -c 'from harness.report.conformance_run import schema_text; print(schema_text(), end=\"\")'"
    assert SCHEMA.read_text() == schema_text(), f"write it anew: {again}"


def test_what_the_campaign_writes_holds_no_field_that_the_format_lacks(folder: Path, run: ConformanceRun) -> None:
    assert json.loads(folder.joinpath("results.json").read_text()) == run.model_dump(mode="json")


def test_rows_of_the_results_are_those_of_conform_json(folder: Path) -> None:
    required = json.loads(SCHEMA.with_name("conformance.schema.json").read_text())["properties"]["results"]["items"]["required"]
    for row in json.loads(folder.joinpath("results.json").read_text())["results"]:
        assert set(required) <= row.keys()


def test_each_plane_has_its_counts_and_how_long_changes_took(run: ConformanceRun) -> None:
    sidecar, ebpf = conformance_tables.headlines(run)
    assert sidecar.tally.counts == {"pass": 1, "fail": 1, "unsupported": 1}
    assert (ebpf.tally.counts, ebpf.tally.unexpected) == ({"pass": 2, "fail": 1}, 1)
    assert (sidecar.convergence, ebpf.convergence) == (
        None,
        Convergence(3, 0.002, 0.004, Canaries(2, 80, 6, 0.0031, 0.0031, 10, 0)),
    )


def test_features_count_cases_that_need_them_and_techniques_stand_apart(run: ConformanceRun) -> None:
    features = {name: [tally.counts for tally in tallies] for name, tallies in conformance_tables.by_feature(run)}
    assert features["policy-udp"] == [{"pass": 1}, {"fail": 1}]
    assert features["policy-cilium"] == [{"unsupported": 1}, {"pass": 1}]
    ((technique, tallies),) = conformance_tables.catalogue(run)
    assert (technique, [tally.counts for tally in tallies]) == ("exempt uid", [{"fail": 1}, {"pass": 1}])


def test_failures_and_gaps_are_grouped_by_their_reason(run: ConformanceRun) -> None:
    (known,) = conformance_tables.known(run)
    assert (known.dataplane, known.reason, known.cases) == ("sidecar-mtls", "the proxy's uid is exempt", ["bypass/uid-egress"])
    (gap,) = conformance_tables.declared(run)
    assert (gap.reason, gap.cases) == ("policy-cilium: not compiled", ["policy/cnp-icmp"])


@pytest.mark.parametrize(("symptom", "around"), [(Symptom.ADMITS, 1), (Symptom.DENIES, 0), (Symptom.BREAKS, 0)])
def test_a_way_around_policy_lets_something_through(run: ConformanceRun, symptom: Symptom, around: int) -> None:
    failed = [row.model_copy(update={"symptoms": [symptom]}) for row in run.results if row.outcome is CaseOutcome.FAIL]
    ((_, (sidecar, _)),) = conformance_tables.catalogue(run.model_copy(update={"results": failed}))
    assert (sidecar.around, sidecar.total) == (around, 1)


def test_what_was_let_through_meanwhile_stands_in_every_report_for_people(tmp_path: Path) -> None:
    file = written(tmp_path) / "results.json"
    document = json.loads(file.read_text())
    document["results"][1]["admitted_meanwhile"] = 4711
    file.write_text(json.dumps(document))
    write_reports(tmp_path)
    assert "| ebpf | 4711 |" in (tmp_path / "summary.md").read_text()
    assert ">4711</td>" in (tmp_path / "report.html").read_text()


def test_cases_of_the_catalogue_count_in_the_row_of_their_technique(reports: Path) -> None:
    rows = [line for line in (reports / "summary.md").read_text().splitlines() if line.startswith("| bypass |")]
    assert rows == ["| bypass | exempt uid | 1 **failed** | 1 passed |"]


def test_the_page_names_the_run_with_which_expectations_were_compared(tmp_path: Path) -> None:
    earlier = written(tmp_path / "earlier") / "results.json"
    assert read_conformance(earlier.parent).compared_with is None
    now = written(tmp_path / "now", earlier)
    write_reports(now)
    assert "None since the committed reference run (commit <code>0123456789ab</code>)" in (now / "report.html").read_text()


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<script>.*?</script>|<wbr>", "", page, flags=re.DOTALL))


def test_what_was_not_expected_stands_first_with_evidence_rule_and_command(reports: Path) -> None:
    page = text_of((reports / "report.html").read_text())
    assert "1 of 6 outcomes was not expected." in page
    assert page.index('id="unexpected"') < page.index('id="features"')
    section = page[page.index('id="unexpected"') : page.index('id="features"')]
    assert "expected denied, observed &lt;b&gt;forwarded" in section
    assert "Evidence: no record. Deciding rule: <code>a.yaml:4</code>" in section
    assert re.search(r"sudo meshproof conform \S*policy/np-port-udp --dataplane ebpf --keep", section)


def test_the_page_says_what_the_control_let_through_and_what_went_wrong_at_the_end(reports: Path) -> None:
    page = text_of((reports / "report.html").read_text())
    assert "8 different flows were asked" in page
    assert "7 got through, and 1 did not" in page
    assert "a link stayed" in page
    assert "sudo .venv/bin/meshproof conform &#39;my cases&#39;" in page


def test_the_page_loads_nothing(reports: Path) -> None:
    loads = re.findall(r"""(?:src|href|data|action)=["']([^"']*)""", (reports / "report.html").read_text())
    assert [each for each in loads if not each.startswith(("#", "data:"))] == []


def test_every_report_says_the_same(reports: Path) -> None:
    suites = ElementTree.parse(reports / "junit.xml").getroot()  # noqa: S314 -- our own
    assert [(suite.get("failures"), suite.get("skipped")) for suite in suites] == [("0", "2"), ("1", "0")]
    assert "| **all** |  | 1 passed, 1 **failed**, 1 unsupported | 2 passed, 1 **failed** (1 not expected) |" in (
        (reports / "summary.md").read_text()
    )
    assert (reports / "report.pdf").read_bytes().startswith(b"%PDF")
    assert summary_text(reports).splitlines()[1].startswith("ebpf: 3 cases: 2 pass, 1 fail; 1 not expected")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([], LISTED, ("pass", "fail: the proxy's uid is exempt")),
        (LISTED, [], ("fail: the proxy's uid is exempt", "pass")),
        (LISTED, LISTED, None),
    ],
)
def test_a_change_of_the_expectations_stands_in_the_report(tmp_path: Path, before: Any, after: Any, told: Any) -> None:
    earlier = written(tmp_path / "earlier", listed=before) / "results.json"
    changes = read_conformance(written(tmp_path / "now", earlier, after)).expectation_changes
    assert [(each.before, each.after) for each in changes] == ([told] if told else [])
    assert all(each.since == "0123456789abcdef" for each in changes)


Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: run.update(format=2), "format 2, but this meshproof reads format 1"),
        (lambda run: run["results"][0].update(outcome="maybe"), "results.0.outcome: "),
    ],
)
def test_results_of_another_kind_are_refused_by_name(tmp_path: Path, change: Change, said: str) -> None:
    file = written(tmp_path) / "results.json"
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    with pytest.raises(RunError, match=said):
        write_reports(tmp_path)
