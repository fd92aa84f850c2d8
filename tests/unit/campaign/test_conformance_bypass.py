"""Ways around policy: what a case does to a pod has been done before its flows are asked."""

import os
import subprocess

import pytest

from harness.campaign import conformance_bypass
from harness.lab.port import LabError


def test_a_proxy_that_survives_its_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance_bypass, "SECONDS", 0.02)
    with pytest.raises(LabError, match=f"shop/client: the proxy was to be killed, and process {os.getpid()} "):
        conformance_bypass.await_end("shop/client", [os.getpid()])


def test_the_end_of_a_proxy_is_awaited() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        child.kill()
        conformance_bypass.await_end("shop/client", [child.pid])  # not reaped yet, and gone all the same
        assert child.wait() == -9
