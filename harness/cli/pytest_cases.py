"""Conformance cases as pytest items: ``AREA/CASE/scenario.yaml::DATAPLANE``, one for each case and data plane.

Labs are made for many cases, not for one: the first item of a topology has all selected items judged that share its labs,
and each then reports its own outcome.
"""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.conformance.features import needs
from harness.cli.conform import DATA_PLANES
from harness.cli.pytest_campaign import Campaign, Judged
from harness.dataplanes import NoSuchDataPlane, find, registered
from harness.manifests.case import FILE, load_cases
from harness.manifests.errors import ManifestError
from harness.manifests.expectations import expectations_for
from harness.manifests.place import shown
from harness.model.case import Case, CaseOutcome, ExpectedOutcome

LISTED = pytest.StashKey[Sequence[ExpectedOutcome]]()
CAMPAIGN = pytest.StashKey[Campaign]()
JUDGED = pytest.StashKey[Judged]()


class NotAsExpected(Exception):
    """An outcome that is not the expected one, in the words of ``meshproof conform``."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of ``meshproof conform`` that pytest has none for."""
    group = parser.getgroup("meshproof")
    group.addoption(
        "--dataplane", action="append", dest="meshproof_dataplanes", metavar="NAME",
        help=f"a data plane; repeat for more (default: {', '.join(DATA_PLANES)})",
    )  # fmt: skip
    group.addoption(
        "--expectations", type=Path, dest="meshproof_expectations", metavar="FILE",
        help="known outcomes of the cases in this file's folder and below",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what cannot be meant before anything is collected."""
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError("conformance cases share labs and work side by side already: leave out -n of pytest-xdist")
    try:
        for name in _planes(config):
            find(name)
    except NoSuchDataPlane as error:
        raise pytest.UsageError(str(error)) from None


def _planes(config: pytest.Config) -> Sequence[str]:
    return tuple(dict.fromkeys(config.getoption("meshproof_dataplanes") or DATA_PLANES))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take every ``scenario.yaml``."""
    return CaseFile.from_parent(parent, path=file_path) if file_path.name == FILE else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Read what is expected before -k leaves items out; two cases of one name could not be told apart."""
    cases: dict[str, Case] = {}
    for case in (item.case for item in items if isinstance(item, CaseItem)):
        first = cases.setdefault(case.id, case)
        if first.origin.file != case.origin.file:
            raise pytest.UsageError(f"{case.origin.file}: case {case.id} is {first.origin.file} already; rename one")
    paths = [Path(argument.partition("::")[0]) for argument in config.args]
    try:
        listed = expectations_for(list(cases.values()), registered(), config.getoption("meshproof_expectations"), paths)
    except ManifestError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[LISTED] = listed


def pytest_collection_finish(session: pytest.Session) -> None:
    """Plan what was selected. Nothing is run before the first item is."""
    pairs = [(item.case, item.name) for item in session.items if isinstance(item, CaseItem)]
    reporter = session.config.pluginmanager.getplugin("terminalreporter")

    def say(line: str) -> None:
        if reporter is not None and reporter.verbosity >= 0:
            reporter.ensure_newline()
            reporter.write_line(line)

    session.config.stash[CAMPAIGN] = Campaign(pairs, session.config.stash.get(LISTED, []), say)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Have an item judged before its own time begins: it may wait for the labs of all that it shares them with."""
    if isinstance(item, CaseItem):
        item.stash[JUDGED] = item.config.stash[CAMPAIGN].judge(item.case, item.name)


class CaseFile(pytest.File):
    """A case: an item for each data plane."""

    def collect(self) -> Iterator[pytest.Item]:
        """Load the case; its faults, by their lines, are errors of collection."""
        try:
            (case,) = load_cases([shown(self.path)])
        except ManifestError as error:
            raise self.CollectError(str(error)) from None
        for plane in _planes(self.config):
            yield CaseItem.from_parent(self, name=plane, case=case)


class CaseItem(pytest.Item):
    """A case on a data plane. ``-k`` also finds it by its area and by the features that it needs."""

    def __init__(self, *, case: Case, **given: Any) -> None:
        super().__init__(**given)
        self.case = case
        self.extra_keyword_matches.update([case.area, case.id, *(str(feature) for feature in needs(case))])

    def setup(self) -> None:
        """An error is no failure: nothing was learnt."""
        judged = self.stash[JUDGED]
        self.user_properties += [("evidence", judged.result.evidence), ("rule", judged.result.rule or "")]
        if judged.result.outcome is CaseOutcome.ERROR and not judged.result.expected:
            raise NotAsExpected(judged.said)

    def runtest(self) -> None:
        """Pass, or say what kept it from passing: declared, listed, or not expected. A pass that was not expected is red."""
        judged = self.stash[JUDGED]
        match judged.result.outcome:
            case CaseOutcome.UNSUPPORTED if judged.result.expected:
                pytest.skip(judged.listed or judged.result.reason)
            case CaseOutcome.FAIL | CaseOutcome.ERROR if judged.result.expected:
                pytest.xfail(judged.listed)  # with --runxfail it returns, and the failure shows
            case CaseOutcome.PASS if judged.result.expected:
                return
        raise NotAsExpected(judged.said)

    def teardown(self) -> None:
        """What came up in taking labs down is an error of the last item that they were for."""
        judged = self.stash[JUDGED]
        if judged.troubles:
            raise NotAsExpected("\n".join(judged.troubles))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Name the item by its case."""
        return self.path, self.case.origin.line - 1, f"{self.case.id} on {self.name}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what was expected and observed in place of a traceback."""
        return str(excinfo.value) if isinstance(excinfo.value, NotAsExpected) else super().repr_failure(excinfo, style)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report the time that the case took, in labs that it shared, and a skipped case at its own file.

    Before and after the call itself pytest would show an error as a traceback, of lines that are none of the user's.
    """
    report = yield
    if isinstance(item, CaseItem) and call.excinfo is not None and isinstance(call.excinfo.value, NotAsExpected):
        report.longrepr = str(call.excinfo.value)
    if isinstance(item, CaseItem) and call.when == "call":
        report.duration = item.stash[JUDGED].result.seconds
        if report.skipped and isinstance(report.longrepr, tuple):
            report.longrepr = (str(item.path), item.case.origin.line, report.longrepr[2])
    return report
