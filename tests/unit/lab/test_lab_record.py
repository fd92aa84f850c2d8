"""What labs write down about themselves."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.lab import record
from harness.lab.port import LabError
from harness.lab.processes import started
from harness.lab.record import LabRecord
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

TOPOLOGY = Topology(
    "t",
    ("n1",),
    (Namespace("shop", {"team": "web"}),),
    (Pod("a", "shop", "n1", {"app": "a"}, {"note": "x"}, (ContainerPort("http", 8080),), ("10.1.0.2", "fd00:10:1::2")),),
)


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(record, "RUN", tmp_path / "run")
    return tmp_path / "run"


def made(name: str = "abc123") -> LabRecord:
    identity = started(os.getpid())
    assert identity is not None
    return LabRecord(record.FORMAT, name, os.getpid(), *identity, False, TOPOLOGY, (f"mp-{name}_n1",), f"/cg/meshproof-{name}")


def test_a_record_is_read_as_it_was_written() -> None:
    with record.locked():
        record.write(made())
    assert record.read("abc123") == made()
    assert record.names() == ["abc123"]


def test_the_owner_is_alive_only_with_its_own_start_time_and_boot() -> None:
    assert made().owner_alive
    assert not replace(made(), start=made().start + 1).owner_alive
    assert not replace(made(), boot="another boot").owner_alive
    assert not replace(made(), owner=2**22 + 1).owner_alive


def test_without_labs_there_are_no_names() -> None:
    assert record.names() == []


def test_a_name_is_claimed_once() -> None:
    with record.locked():
        record.write(made())
        with pytest.raises(LabError, match="File exists"):
            record.write(made())
    assert record.read("abc123") == made(), "the first one's record is untouched"


def test_a_folder_without_record_is_told_from_a_lab(run_folder: Path) -> None:
    with record.locked():
        record.write(made())
    (run_folder / "fedcba").mkdir()
    assert record.unrecorded("fedcba")
    assert not record.unrecorded("abc123")


def test_a_missing_lab_is_named() -> None:
    with pytest.raises(LabError, match="there is no lab called 'nothere'"):
        record.read("nothere")


@pytest.mark.parametrize(
    ("found", "replacement", "said"),
    [
        ('"format":1', '"format":2', "format 2"),
        ('"owner":', '"owners":', "owner"),
        ('"mp-abc123_n1"', '"mp-another_n1"', "which no lab makes"),
        ("/cg/meshproof-abc123", "/cg/system.slice", "which no lab makes"),
        ("{", "", "JSON"),
    ],
)
def test_a_record_that_cannot_be_trusted_is_refused(run_folder: Path, found: str, replacement: str, said: str) -> None:
    with record.locked():
        record.write(made())
    path = run_folder / "abc123" / "lab.json"
    text = path.read_text()
    assert found in text
    path.write_text(text.replace(found, replacement, 1))
    with pytest.raises(LabError, match=said):
        record.read("abc123")
