"""Every committed run stays readable, and docs/formats.md names every kind of file that there is."""

import re
from pathlib import Path

import pytest

from harness.report import summary_text
from harness.report.block_values import read_blocks
from harness.report.conformance_run import read_conformance
from harness.report.run import read_run

ROOT = Path(__file__).parents[3]
RUNS = sorted(file.parent for file in (ROOT / "results").glob("*/run.json"))
CASES = sorted(file.parent for file in (ROOT / "results").glob("*/results.json"))


def test_there_are_committed_runs() -> None:
    assert {"reference", "l7", "scaling", "capacity", "flows", "tuning", "tuning-node-proxy"} <= {run.name for run in RUNS}
    assert [run.name for run in CASES] == ["conformance"]


@pytest.mark.parametrize("folder", RUNS, ids=lambda run: run.name)
def test_every_committed_run_is_read_whole(folder: Path) -> None:
    run = read_run(folder)
    blocks = read_blocks(folder, run)
    control = run.dataplanes[0].name
    assert run.fits or any(values.ratios for values in blocks.values.values())
    assert not any(values.ratios for figure, values in blocks.values.items() if figure.dataplane == control)
    assert summary_text(folder)


@pytest.mark.parametrize("folder", CASES, ids=lambda run: run.name)
def test_every_committed_run_of_cases_is_read(folder: Path) -> None:
    assert read_conformance(folder).outcomes()


def test_the_page_names_every_file_and_schema() -> None:
    page = (ROOT / "docs" / "formats.md").read_text()
    names = {file.name for folder in (*RUNS, *CASES) for file in folder.iterdir() if file.is_file()}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
    for link in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / link).is_file(), link
