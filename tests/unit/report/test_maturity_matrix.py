"""The L7 maturity matrix of a conformance run, in results.json and in every report made of it."""

import json
import re
from pathlib import Path

import pytest

from harness.campaign.conformance.maturity import maturity_rows
from harness.campaign.conformance.run import Outcomes
from harness.campaign.conformance.summary import summarise
from harness.dataplanes import find
from harness.judge.conformance import gate
from harness.judge.maturity import Standing
from harness.manifests.case import load_cases
from harness.manifests.place import SCENARIOS
from harness.model.case import CaseOutcome, CaseResult
from harness.model.maturity import MaturityFeature
from harness.model.origin import Origin
from harness.report import summary_text, write_reports
from harness.report.conformance import conformance_json
from harness.report.conformance_run import MaturityRow, read_conformance
from harness.report.maturity import matrix, maturity_lines, words

HERE = Origin("m.yaml", 1)
CASES = load_cases([SCENARIOS / "conformance" / name for name in ("l7/egress", "l7/raw-upgrade", "routing/weight-zero")])
PLANES = [find("sidecar-mtls"), find("node-proxy")]
FEATURES = [
    MaturityFeature(HERE, "Weights", ("routing/weight-*",)),
    MaturityFeature(HERE, "Upgrades", ("l7/*",), note="Frames are <not> asked."),
    MaturityFeature(HERE, "JWT", reason="no field | for *it*"),
    MaturityFeature(HERE, "Mirror", ("routing/filter-mirror",)),
    MaturityFeature(HERE, "Identity", ("l7/egress",), needs="encryption"),
]
LACKING = "l7-routing: sidecars do not route"
OUTCOMES = {
    ("routing/weight-zero", "sidecar-mtls"): (CaseOutcome.UNSUPPORTED, f"{LACKING} (asked for at a.yaml:1)"),
    ("l7/egress", "sidecar-mtls"): (CaseOutcome.PASS, ""),
    ("l7/raw-upgrade", "sidecar-mtls"): (CaseOutcome.UNSUPPORTED, "policy-http: none (asked for at a.yaml:1)"),
    ("l7/raw-upgrade", "node-proxy"): (CaseOutcome.FAIL, "observed 200"),
}


def results() -> list[CaseResult]:
    return [
        CaseResult(case.id, case.area, plane.name, *OUTCOMES.get((case.id, plane.name), (CaseOutcome.PASS, "")))
        for case in CASES
        for plane in PLANES
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("run")
    document = summarise(
        CASES, PLANES, find("plain"), Outcomes(results()), gate(results(), []), [], started="2026-01-05T09:30:00+00:00",
        seconds=1.0, command=["conform"], fingerprint={}, features=FEATURES,
    )  # fmt: skip
    (found / "results.json").write_text(document)
    write_reports(found)
    return found


def test_results_hold_a_cell_of_every_feature_and_data_plane(folder: Path) -> None:
    rows = json.loads((folder / "results.json").read_text())["maturity"]
    standings = {(row["feature"], plane): cell["standing"] for row in rows for plane, cell in row["cells"].items()}
    assert standings == {
        ("Weights", "sidecar-mtls"): "unsupported", ("Weights", "node-proxy"): "pass",
        ("Upgrades", "sidecar-mtls"): "partly", ("Upgrades", "node-proxy"): "fail",
        ("JWT", "sidecar-mtls"): "unsupported", ("JWT", "node-proxy"): "unsupported",
        ("Mirror", "sidecar-mtls"): "not asked", ("Mirror", "node-proxy"): "not asked",
        ("Identity", "sidecar-mtls"): "pass", ("Identity", "node-proxy"): "unsupported",
    }  # fmt: skip
    assert rows[1]["cases"] == ["l7/egress", "l7/raw-upgrade"]
    assert rows[4]["cells"]["node-proxy"]["reason"] == "encryption: packets between nodes are sent as they are"


def test_a_reason_that_cells_share_is_written_once_and_numbered(folder: Path) -> None:
    told = matrix(read_conformance(folder).maturity, [plane.name for plane in PLANES])
    assert told.reasons[:3] == [LACKING, "policy-http: none", "no field | for *it*"]
    assert [cell.reason for _, _, cells in told.rows for cell in cells] == [1, 0, 2, 0, 3, 3, 0, 0, 0, 4]


def test_words_never_say_passed_where_nothing_was_asked(folder: Path) -> None:
    for row in read_conformance(folder).maturity:
        for cell in row.cells.values():
            assert ("passed" in words(cell)) == (cell.asked > 0)


def test_the_page_shows_it_escaped(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    section = page[page.index('<section id="maturity">') : page.index('<section id="features">')]
    assert '<a href="#maturity">' in page
    assert "Frames are &lt;not&gt; asked." in section
    told = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section))
    assert "✗ 1 of 2 passed" in told
    assert "◐ 1 passed, 1 unsupported" in told
    assert "not asked" in told


def test_markdown_and_the_terminal_show_it(folder: Path) -> None:
    markdown = (folder / "summary.md").read_text()
    assert "| L7 maturity | sidecar-mtls | node-proxy |" in markdown
    assert "| Upgrades | 1 passed, 1 unsupported [2] | 1 of 2 passed |" in markdown
    assert "3. no field \\| for \\*it\\*" in markdown
    said = "maturity of node-proxy: 1 of 5 features pass; fail: Upgrades; unsupported: JWT, Identity; 1 not asked"
    assert said in summary_text(folder)
    assert said in list(maturity_lines(read_conformance(folder).maturity))


def test_results_for_programs_hold_the_same_matrix(folder: Path) -> None:
    schema = json.loads((SCENARIOS.parent / "docs" / "schemas" / "conformance.schema.json").read_text())
    rows = schema["properties"]["maturity"]["items"]["properties"]
    cells = rows["cells"]["additionalProperties"]["properties"]
    written = json.loads(conformance_json(results(), read_conformance(folder).maturity))
    assert {name for row in written["maturity"] for name in row} == set(rows)
    assert {name for row in written["maturity"] for cell in row["cells"].values() for name in cell} == set(cells)
    assert cells["standing"]["enum"] == [str(each) for each in Standing]
    assert written["maturity"] == json.loads((folder / "results.json").read_text())["maturity"]


def test_a_run_without_any_of_the_cases_has_no_matrix(tmp_path: Path) -> None:
    only = [FEATURES[2], FEATURES[3]]
    assert maturity_rows(only, CASES, PLANES, results()) == []
    document = summarise(
        CASES, PLANES, find("plain"), Outcomes(results()), gate(results(), []), [], started="2026-01-05T09:30:00+00:00",
        seconds=1.0, command=["conform"], fingerprint={}, features=only,
    )  # fmt: skip
    (tmp_path / "results.json").write_text(document)
    write_reports(tmp_path)
    assert (
        "maturity" not in (tmp_path / "report.html").read_text().partition("<main>")[2].partition('<section id="machine">')[0]
    )
    assert "L7 maturity" not in (tmp_path / "summary.md").read_text()


def test_an_older_run_without_a_matrix_is_read() -> None:
    assert MaturityRow(feature="A", cells={}).cases == []
    assert Standing("not asked") is Standing.NOT_ASKED
