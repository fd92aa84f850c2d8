"""Labs whose records are apart from those of everybody else on this machine, and a view of all that they can leave behind."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.lab import cgroups, netns, record
from harness.lab.namespaces import NETNS, unmount

Child = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of records of the test's own, so that ``clean`` meets no lab of others; no lab is left when the test fails."""
    folder = tmp_path / "records"
    monkeypatch.setattr(record, "RUN", folder)
    yield folder
    netns.clean(all_labs=True)


@pytest.fixture
def child(records: Path) -> Iterator[Child]:
    """Starts lab_child.py, which pauses at the given place; ended after the test."""
    started = []

    def start(where: str) -> "subprocess.Popen[str]":
        script = Path(__file__).with_name("lab_child.py")
        process = subprocess.Popen(
            [sys.executable, str(script), str(records), "6", where],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def left(records: Path) -> Callable[[str], list[str]]:
    """What there is of a lab: namespaces, cgroups, mounts and files that bear its name."""

    def look(name: str) -> list[str]:
        found = [str(path) for path in NETNS.glob(f"mp-{name}_*")]
        found += [str(path) for path in cgroups.root().glob(f"meshproof-{name}*")]
        found += [str(path) for path in records.glob(f"{name}*")]
        return found + [line for line in Path("/proc/self/mounts").read_text().splitlines() if name in line]

    return look


@pytest.fixture
def foreign() -> Iterator[Callable[[str], Path]]:
    """Makes a namespace of a given name that no lab made; removed after the test."""
    made = []

    def make(name: str) -> Path:
        subprocess.run(["ip", "netns", "add", name], check=True)
        made.append(name)
        return NETNS / name

    yield make
    for name in made:
        unmount(NETNS / name)
        (NETNS / name).unlink(missing_ok=True)
