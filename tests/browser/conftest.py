import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, browser

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "report"))

from example_run import write_example
from judged_run import write_judged

from harness.report import write_reports


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of a run with claims, and of a quick one without."""
    root = tmp_path_factory.mktemp("reports")
    write_judged(root / "judged")
    write_example(root / "quick", "quick")
    found = {}
    for name in ("judged", "quick"):
        write_reports(root / name)
        found[name] = root / name / "report.html"
    return found
