"""The command as a process: what it imports, how it ends, and what --help and completion say of each verb."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from harness.cli.main import VERBS, app
from harness.cli.status import FAILURES, Status, status_of
from harness.dataplanes.port import DataPlaneError
from harness.lab.port import LabError

RUN = "import sys; from harness.cli.main import main; sys.argv[0] = 'meshproof'; main()"
HEAVY = {
    "scapy",
    "pandas",
    "numpy",
    "scipy",
    "matplotlib",
    "pyarrow",
    "yaml",
    "jinja2",
    "weasyprint",
    "cryptography",
    "bcc",
    "re2",
}
"""Not pydantic: some versions of typer use it themselves."""

POLICY = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: a}\nspec: {podSelector: {}}\n"


def meshproof(*arguments: str, after: str = "") -> "subprocess.CompletedProcess[str]":
    code = f"import atexit, sys\n{after}\n{RUN}"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["explain", "--help"], ["route", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    listing = "import json\natexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))"
    done = meshproof(*arguments, after=listing)
    assert done.returncode == 0
    imported = {name.partition(".")[0] for name in json.loads(done.stderr)}
    assert imported & HEAVY == set()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_in_its_help_what_it_does_with_an_example(verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "--help"])
    assert done.exit_code == 0
    assert f"meshproof {verb}" in done.stdout.partition("Example")[2]
    first = VERBS[verb].line.removesuffix(".").partition(",")[0].partition(" with ")[0]
    assert first.split()[0] in done.stdout, "--help of all and of the verb begin alike"


def test_completion_knows_verbs_and_their_options() -> None:
    asked = {"_MESHPROOF_COMPLETE": "complete_bash", "COMP_WORDS": "meshproof con", "COMP_CWORD": "1"}
    script = subprocess.run(
        [sys.executable, "-c", RUN], env=os.environ | asked, capture_output=True, text=True, check=False, timeout=60
    )
    assert script.stdout.split() == ["conform"]


def test_a_reader_that_ends_early_ends_the_command_in_silence(tmp_path: Path) -> None:
    """More output than a pipe holds, so that writing meets the closed end."""
    (tmp_path / "t.yaml").write_text("namespaces: {a: {}}\npods:\n  - {name: p, namespace: a, ips: [10.0.0.4]}\n")
    (tmp_path / "f.yaml").write_text("- {from: a/p, to: a/p, port: 80}\n" * 2000)
    (tmp_path / "p.yaml").write_text(POLICY)
    files = ["--manifests", "p.yaml", "--topology", "t.yaml", "--flows", "f.yaml", "--json"]
    command = [sys.executable, "-c", RUN, "explain", *files]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}  # without, Python loses EPIPE
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=buffered) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert (said, process.wait(timeout=30)) == (b"", Status.READER_GONE)


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_that_has_a_status_exists(name: str) -> None:
    module, _, kind = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), kind), Exception)


def test_a_failure_has_the_status_of_its_kind_and_a_fault_of_the_program_none() -> None:
    class Closer(LabError):
        pass

    assert status_of(Closer("x")) is Status.CANNOT
    assert status_of(DataPlaneError("x")) is Status.CANNOT
    assert status_of(KeyError("x")) is None


def test_verbs_are_listed_by_name_for_completion() -> None:
    command = get_command(app)
    assert list(VERBS) == command.list_commands(None)  # type: ignore[attr-defined]
    assert command.get_command(None, "nosuch") is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("option", ["--json", "--junit", "--markdown"])
@pytest.mark.parametrize(("file", "why"), [("missing/results", "there is no folder"), (".", "that is a folder")])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, file: str, why: str
) -> None:
    def run(*_: object) -> None:
        raise AssertionError("cases were run")

    monkeypatch.setattr("harness.campaign.conformance.run.Conformance.run", run)
    case = Path(__file__).parents[3] / "scenarios" / "conformance" / "policy" / "np-self"
    ended = CliRunner().invoke(app, ["conform", str(case), option, str(tmp_path / file)], standalone_mode=False)
    assert ended.return_value == Status.BAD_INPUT
    assert f"{option} {tmp_path / file}: {why}" in ended.stderr
