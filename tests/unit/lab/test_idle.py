"""What is asked of idle processors, on a stand-in for the kernel's file."""

from pathlib import Path

import pytest

from harness.lab import idle


def test_asks_for_no_latency_for_as_long_as_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = tmp_path / "cpu_dma_latency"
    request.touch()
    monkeypatch.setattr(idle, "LATENCY_REQUEST", request)
    with idle.kept_awake():
        assert request.read_bytes() == b"\0\0\0\0"
        assert _holders(request) == 1
    assert _holders(request) == 0
    assert idle.waiting().startswith("kept awake")


def test_a_machine_that_cannot_be_asked_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "cpu_dma_latency"
    monkeypatch.setattr(idle, "LATENCY_REQUEST", missing)
    with idle.kept_awake():
        assert not missing.exists()
    assert idle.waiting() == "as the machine lets them sleep"


def _holders(path: Path) -> int:
    return sum(link.readlink() == path for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
