"""The canary as a program, on loopback."""

import socket
from pathlib import Path

import pytest
from loopback import LocalPod

from harness.lab.build import c_program
from harness.traffic.canary import RECORD, SOURCE, Kind
from harness.traffic.diary import Diary

MANY = 8000


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_each_connection_has_a_port_that_none_before_it_had(address: str, local: LocalPod, tmp_path: Path) -> None:
    """By its port alone is a SYN known at its server: chosen by the kernel, ports come again after some thousands."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, backlog=8) as listener:
        words = [str(tmp_path / "diary"), "tcp", address, str(listener.getsockname()[1]), "20"]
        process = local.start([str(c_program(SOURCE)), *words], component="probe")
        canary = Diary("the canary", process, tmp_path / "diary", RECORD)
        assert canary.await_that(lambda: len(canary.of(Kind.BEGAN)) >= MANY, "began")
        process.stop()
    ports = canary.of(Kind.BEGAN)["port"][:MANY].tolist()
    assert len(set(ports)) == len(ports)
