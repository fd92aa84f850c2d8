"""The plugin in runs of pytest of its own, over cases on disk; a made-up campaign stands for labs."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest

from harness.campaign.conformance.run import Outcomes
from harness.cli import pytest_campaign
from harness.dataplanes import registered
from harness.lab.port import LabError
from harness.model.case import Case, CaseOutcome, CaseResult

pytest_plugins = ["pytester"]

registered()  # before pytester runs anything: it forgets what was imported meanwhile, and cryptography loads only once

TOPOLOGY = "nodes: [n1]\nnamespaces: {a: {}}\npods:\n  - {name: p, namespace: a, node: n1}\n"
CASE = """\
title: t
why: w
topology: ../../TOPOLOGY.yaml
expect: {flows: [{from: a/p, to: a/p, port: 8080, protocol: PROTOCOL, verdict: forwarded}]}
"""
EXPECTATIONS = """\
outcomes:
  - {case: policy/known, dataplane: ebpf, outcome: fail, reason: it is known to}
  - {case: policy/mended, dataplane: ebpf, outcome: fail, reason: it was known to}
"""


class Campaign:
    """Stands for the campaign of conformance cases: outcomes as a test sets them, and who was judged together."""

    outcomes: ClassVar[dict[tuple[str, str], CaseOutcome]] = {}
    together: ClassVar[list[tuple[list[str], list[str]]]] = []
    troubles: ClassVar[list[str]] = []
    broken: ClassVar[Exception | None] = None

    def __init__(self, cases: Sequence[Case], planes: Sequence[Any], control: Any, observer: Any) -> None:
        self._cases, self._planes = cases, planes

    def run(self) -> Outcomes:
        names = [plane.name for plane in self._planes]
        self.together.append(([case.id for case in self._cases], names))
        if self.broken is not None:
            raise self.broken
        results = [self._result(case, name) for case in self._cases for name in names]
        return Outcomes(results, troubles=list(self.troubles))

    def _result(self, case: Case, plane: str) -> CaseResult:
        outcome = self.outcomes.get((case.id, plane), CaseOutcome.PASS)
        reason = "" if outcome is CaseOutcome.PASS else f"{case.origin.file}:9: a/p -> a/p: expected denied, observed forwarded"
        return CaseResult(case.id, case.area, plane, outcome, reason, "no record", "policy.yaml:4", seconds=1.5)


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Campaign]]:
    monkeypatch.setattr(pytest_campaign, "Conformance", Campaign)
    yield Campaign
    Campaign.outcomes.clear()
    Campaign.together.clear()
    Campaign.troubles.clear()
    Campaign.broken = None


@pytest.fixture
def cases(pytester: pytest.Pytester) -> Path:
    """Three cases in area policy and one, of another topology, in area other."""
    for topology in ("one", "two"):
        (pytester.path / f"{topology}.yaml").write_text(TOPOLOGY)
    for case, topology, protocol in (
        ("policy/known", "one", "TCP"), ("policy/mended", "one", "TCP"), ("policy/plain", "one", "UDP"),
        ("other/apart", "two", "TCP"),
    ):  # fmt: skip
        folder = pytester.path / case
        folder.mkdir(parents=True)
        (folder / "scenario.yaml").write_text(CASE.replace("TOPOLOGY", topology).replace("PROTOCOL", protocol))
    return pytester.path


RUN = ("-p", "harness.cli.pytest_plugin", "--meshproof", "--dataplane", "ebpf", "--dataplane", "nftables")


@pytest.fixture
def run(pytester: pytest.Pytester, cases: Path, campaign: type[Campaign], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the plugin and no other that happens to be installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return lambda *arguments: pytester.runpytest_inprocess(*RUN, *arguments)


def test_each_case_and_data_plane_is_an_item_and_each_topology_is_run_once(run: Any, campaign: type[Campaign]) -> None:
    result = run("-v")
    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["policy/known/scenario.yaml::ebpf PASSED*", "policy/known/scenario.yaml::nftables PASSED*"])
    assert campaign.together == [
        (["other/apart"], ["ebpf", "nftables"]),
        (["policy/known", "policy/mended", "policy/plain"], ["ebpf", "nftables"]),
    ]


@pytest.mark.parametrize(
    ("arguments", "together"),
    [
        (["policy/plain/scenario.yaml::ebpf"], [(["policy/plain"], ["ebpf"])]),
        (["-k", "policy-udp"], [(["policy/plain"], ["ebpf", "nftables"])]),
        (["-k", "nftables and not plain and not apart"], [(["policy/known", "policy/mended"], ["nftables"])]),
        (["-k", "ebpf and plain or nftables and known"], [(["policy/known"], ["nftables"]), (["policy/plain"], ["ebpf"])]),
    ],
)
def test_only_what_is_selected_is_run(run: Any, campaign: type[Campaign], arguments: list[str], together: Any) -> None:
    run(*arguments)
    assert campaign.together == together


def test_a_failure_says_what_meshproof_conform_says_and_no_traceback(run: Any, campaign: type[Campaign]) -> None:
    campaign.outcomes["policy/plain", "ebpf"] = CaseOutcome.FAIL
    result = run()
    result.assert_outcomes(passed=7, failed=1)
    result.stdout.fnmatch_lines([
        "policy/plain on ebpf: fail, where nothing lists it as other than a pass",
        "  policy/plain/scenario.yaml:9: a/p -> a/p: expected denied, observed forwarded",
        "  again: sudo meshproof conform policy/plain --dataplane ebpf --keep",
    ])  # fmt: skip
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_cases.py*")


def test_known_failures_and_declared_gaps_are_shown_as_such_and_an_unexpected_pass_is_red(
    run: Any, cases: Path, campaign: type[Campaign]
) -> None:
    (cases / "expectations.yaml").write_text(EXPECTATIONS)
    campaign.outcomes |= {
        ("policy/known", "ebpf"): CaseOutcome.FAIL, ("policy/known", "nftables"): CaseOutcome.UNSUPPORTED,
    }  # fmt: skip
    result = run("-rxs", "--expectations", "expectations.yaml")
    result.assert_outcomes(passed=5, failed=1, xfailed=1, skipped=1)
    result.stdout.fnmatch_lines(["*pass, where *expectations.yaml:3 expects fail (it was known to)"])
    result.stdout.fnmatch_lines(["XFAIL policy/known/scenario.yaml::ebpf - it is known to"])
    result.stdout.fnmatch_lines(["SKIPPED * policy/known/scenario.yaml:1: *observed forwarded"])


def test_runxfail_shows_known_failures_as_failures(run: Any, cases: Path, campaign: type[Campaign]) -> None:
    (cases / "expectations.yaml").write_text(EXPECTATIONS)
    campaign.outcomes["policy/known", "ebpf"] = CaseOutcome.FAIL
    run("--runxfail", "-k", "known", "--expectations", "expectations.yaml").assert_outcomes(failed=1, passed=1)


def test_an_error_is_no_failure(run: Any, campaign: type[Campaign]) -> None:
    campaign.outcomes["policy/plain", "ebpf"] = CaseOutcome.ERROR
    result = run()
    result.assert_outcomes(passed=7, errors=1)
    result.stdout.no_fnmatch_line("*NotAsExpected*")


def test_where_no_lab_can_be_made_every_item_is_an_error_that_says_why(run: Any, campaign: type[Campaign]) -> None:
    campaign.broken = LabError("labs need root")
    result = run("policy")
    result.assert_outcomes(errors=6)
    result.stdout.fnmatch_lines(["*labs need root"])
    assert len(campaign.together) == 1


def test_trouble_in_taking_labs_down_is_an_error_beside_the_outcomes(run: Any, campaign: type[Campaign]) -> None:
    campaign.troubles.append("a process will not end")
    run("policy/plain").assert_outcomes(passed=2, errors=1)


def test_x_ends_with_the_first_red_item_and_makes_no_further_labs(run: Any, campaign: type[Campaign]) -> None:
    campaign.outcomes["other/apart", "ebpf"] = CaseOutcome.FAIL
    run("-x").assert_outcomes(failed=1)
    assert [cases for cases, _ in campaign.together] == [["other/apart"]]


def test_junit_has_outcome_time_evidence_and_rule(run: Any, cases: Path, campaign: type[Campaign]) -> None:
    campaign.outcomes |= {("policy/known", "ebpf"): CaseOutcome.FAIL, ("policy/plain", "ebpf"): CaseOutcome.ERROR}
    (cases / "expectations.yaml").write_text(EXPECTATIONS)
    run("--junitxml", "junit.xml", "--expectations", "expectations.yaml", "policy")
    found = ElementTree.parse(cases / "junit.xml").iter("testcase")  # noqa: S314 -- our own
    tags = {
        f"{case.get('classname')} {case.get('name')}": [child.tag for child in case if child.tag != "properties"]
        for case in found
    }
    assert tags["policy.known.scenario.yaml ebpf"] == ["skipped"]
    assert tags["policy.mended.scenario.yaml ebpf"] == ["failure"]
    assert tags["policy.plain.scenario.yaml ebpf"] == ["error"]
    text = (cases / "junit.xml").read_text()
    assert '<property name="rule" value="policy.yaml:4"' in text
    assert 'name="nftables" time="1.5' in text


def test_collection_runs_nothing(run: Any, campaign: type[Campaign]) -> None:
    result = run("--collect-only", "-q")
    result.stdout.fnmatch_lines(["other/apart/scenario.yaml::ebpf", "policy/plain/scenario.yaml::nftables"])
    assert campaign.together == []


def test_a_faulty_case_is_an_error_of_collection_by_its_line(run: Any, cases: Path) -> None:
    (cases / "policy" / "plain" / "scenario.yaml").write_text("title: t\nwhat: w\n")
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['policy/plain/scenario.yaml:2: unknown field "what"*'])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dataplane", "nosuch"], "*no data plane is called 'nosuch'*"),
        (["--expectations", "nowhere.yaml"], "*nowhere.yaml:1: *"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Any, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


def test_an_ini_file_turns_on_what_is_installed_as_the_option_does(
    pytester: pytest.Pytester, cases: Path, campaign: type[Campaign]
) -> None:
    pytester.makeini("[pytest]\nmeshproof = true\n")
    pytester.runpytest_inprocess("--dataplane", "ebpf").assert_outcomes(passed=4)


def test_ordinary_runs_are_left_alone(pytester: pytest.Pytester, cases: Path) -> None:
    """A project that has meshproof installed keeps its option names, its files and its time."""
    pytester.makeconftest("def pytest_addoption(parser):\n    parser.addoption('--dataplane')\n")
    pytester.makepyfile("def test_own(pytestconfig):\n    assert pytestconfig.getoption('dataplane') == 'mine'\n")
    pytester.runpytest_subprocess("--dataplane", "mine").assert_outcomes(passed=1)


def test_being_installed_costs_an_ordinary_run_no_import() -> None:
    code = "import harness.cli.pytest_plugin, sys; print(*(name for name in sys.modules if name.startswith('harness')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == ["harness", "harness.cli", "harness.cli.pytest_plugin"]
