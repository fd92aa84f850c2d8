"""What a lab asks for before it makes anything."""

from pathlib import Path

import pytest

from harness.lab import netns, record
from harness.lab.port import LabError
from harness.model.topology import Topology

EMPTY = Topology("empty", ("n1",), (), ())


def test_who_is_not_root_is_told_so_and_nothing_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(netns.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(record, "RUN", tmp_path / "run")
    for forbidden in (lambda: netns.up(EMPTY).__enter__(), lambda: netns.down("abc123"), netns.clean):
        with pytest.raises(LabError, match="must be done by root: run it with sudo"):
            forbidden()
    assert not (tmp_path / "run").exists()


def test_looking_for_labs_needs_no_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(netns.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(record, "RUN", tmp_path / "run")
    assert list(netns.labs()) == []
