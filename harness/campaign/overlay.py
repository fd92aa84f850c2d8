"""A copy of the program with one fault in it, run as its own process."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.lab.build import ROOT
from harness.lab.command import run
from harness.lab.port import Completed, LabError
from harness.model.case import Case
from harness.model.fault import Fault

PATIENCE = 900.0  # seconds for one run of cases
ENDING = 60.0  # seconds for it to take its labs down when it is interrupted
COPIED = ("harness", "bpf")
_START = """
import sys
sys.path.insert(0, sys.argv[1])
import harness
assert harness.__file__.startswith(sys.argv[1]), harness.__file__
from harness.cli.main import main
sys.argv[:2] = ["meshproof"]
main()
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What ``conform`` said of the cases: its rows, or None with ``said`` where it came to no results."""

    rows: list[dict[str, Any]] | None
    said: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """A checkout of its own."""

    folder: Path

    def meshproof(self, *arguments: str) -> Completed:
        """Run the command line of this overlay's program, whatever its exit status. Raises LabError where it does not end."""
        argv = [sys.executable, "-c", _START, str(self.folder), *arguments]
        return run(argv, seconds=PATIENCE, check=False, ending=ENDING)

    def conform(self, cases: Sequence[Case], plane: str, *, fail_fast: bool = False) -> Ran:
        """Run cases on one data plane by the program of this overlay."""
        results = self.folder / "results.json"
        results.unlink(missing_ok=True)
        empty = self.folder / "expectations.yaml"
        empty.write_text("outcomes: []\n")
        argv = ["--dataplane", plane, "--json", str(results), "--expectations", str(empty)]
        argv += ["--fail-fast"] if fail_fast else []
        try:
            done = self.meshproof("conform", *argv, *(str(Path(case.origin.file).resolve().parent) for case in cases))
        except LabError as error:
            return Ran(None, str(error))
        if not results.exists():
            return Ran(None, (done.stderr or done.stdout).strip())
        return Ran(json.loads(results.read_text())["results"], "")


@contextmanager
def overlay(fault: Fault | None) -> Iterator[Overlay]:
    """The program as it is, or with ``fault``, in a folder that is removed on the way out."""
    with TemporaryDirectory(prefix="meshproof-mutant-") as name:
        folder = Path(os.path.realpath(name))
        for part in COPIED:
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "scenarios").symlink_to(ROOT / "scenarios")
        if fault is not None:
            file = folder / fault.file
            file.write_text(file.read_text().replace(fault.find, fault.replace))
        yield Overlay(folder)
