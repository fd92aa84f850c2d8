"""The examples for CI: their commands, taken out of their files, run as they stand but for what a test must replace."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from harness.report.gate_findings import Gate

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
SHORT = """
title: A short one
why: To try the examples.
topology: pair
client: shop/client
server: shop/server
port: 8080
expect: {otherwise: forwarded, flows: []}
loads:
  cost-1000: {kind: cost, rate: 200, arrivals: fixed, connections: 2, seconds: 0.4, warmup: 0.1}
"""


def steps(name: str) -> list[str]:
    """Every command of an example, in the order in which it is run."""
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text())
    if "jobs" in document:
        return [step["run"] for job in document["jobs"].values() for step in job["steps"] if "run" in step]
    job = document["meshproof"]
    return [*job["before_script"], *job["script"], *job["after_script"]]


def here(command: str, scenario: Path) -> str:
    """A step as it can be run in a test: root already, the environment already made, and little to measure."""
    for written, instead in (
        (r"sudo (CI=true )?", ""),
        (r"^\./toxw devenv \.venv$", "test -x .venv/bin/meshproof"),
        (r"--quick", f"--quick {scenario} --dataplane plain --dataplane ebpf"),
        (r"scenarios/conformance/policy\b", "scenarios/conformance/policy/np-self"),
    ):
        command = re.sub(written, instead, command)
    return command


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a checkout with its environment made; what the commands write stays in it."""
    for name in ("results", "scenarios"):
        (tmp_path / name).symlink_to(ROOT / name)
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    python = "import sys; from harness.cli.main import main; sys.argv[0] = 'meshproof'; main()"
    (binaries / "meshproof").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -c "{python}" "$@"\n')
    (binaries / "meshproof").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("name", ["github-actions.yaml", "gitlab-ci.yaml"])
def test_the_commands_of_an_example_run_and_end_well(checkout: Path, name: str) -> None:
    scenario = checkout / "short.yaml"
    scenario.write_text(SHORT)
    summary = checkout / "step-summary.md"
    for step in steps(name):
        done = subprocess.run(
            ["bash", "-e", "-c", here(step, scenario)], cwd=checkout, capture_output=True, text=True, check=False, timeout=120,
            env=os.environ | {"GITHUB_STEP_SUMMARY": str(summary)},
        )  # fmt: skip
        assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"
    said = (checkout / "gate.md").read_text()
    assert said.startswith("## Gate: passed\n")
    assert "no figure was judged: the run is quick" in said
    assert "Judged: no figures; 1 outcome of conformance cases." in said
    for folder in ("run", "cases"):
        assert (checkout / "out" / folder / "report.html").exists()
        assert ElementTree.parse(checkout / "out" / folder / "junit.xml").getroot().tag == "testsuites"  # noqa: S314 -- our own
    if name.startswith("github"):
        assert summary.read_text() == said
        assert red(checkout) == 1


def red(checkout: Path) -> int:
    """The gate's status once a probe of the same run has failed: an example whose gate cannot fail would prove nothing."""
    file = checkout / "out" / "run" / "run.json"
    document = json.loads(file.read_text())
    document["conformance"][0]["outcome"] = "fail"
    file.write_text(json.dumps(document))
    command = [".venv/bin/meshproof", "gate", "out/run", "--against", "results/reference", "--anyway", "--json"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, timeout=60)
    assert Gate.model_validate_json(done.stdout).verdict == "failed"
    return done.returncode


def test_the_page_shows_the_examples_as_they_are() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    assert len(list(EXAMPLES.glob("*.yaml"))) == 2
    for file in EXAMPLES.glob("*.yaml"):
        assert f"```yaml\n{file.read_text()}```" in page, f"docs/ci.md shows {file.name} otherwise"
