"""Mutated packets against the oracle: a small part of ``tox -e fuzz``, and that it finds seeded faults."""

import json
import os
import sys
from pathlib import Path

import pytest
from scapy.utils import rdpcap

from harness.campaign.overlay import overlay
from harness.lab.build import ROOT
from harness.lab.command import run
from harness.lab.port import Completed
from harness.manifests.faults import load_faults
from harness.mesh.drops import reasons
from harness.model.fault import Fault
from harness.model.origin import Origin

PACKETS = 20_000
FEWER = 8_000
V6_HOLDS_V4 = Fault(
    Origin(__file__, 1),
    "cidr-v6-holds-v4",
    "No case can see it, for no lab has hosts outside.",
    file="harness/mesh/tables.py",
    find="{_EVERY_V4: 0, **compiled.cidrs.of}",
    replace="dict(compiled.cidrs.of)",
    planes=("ebpf",),
)
FAULTS = {fault.name: fault for fault in (*load_faults(), V6_HOLDS_V4)}


def fuzz(program: Path, out: Path, packets: int) -> Completed:
    """The program in a folder under mutated packets."""
    paths = os.pathsep.join(map(str, (program, ROOT / "tests", ROOT / "tests" / "unit" / "oracle")))
    argv = ["env", f"PYTHONPATH={paths}", sys.executable, "-P", "-m", "fuzz", "--packets", str(packets), "--out", str(out)]
    return run(argv, seconds=240, check=False, ending=20)


def test_a_world_has_somebody_who_sends() -> None:
    """The seventeenth had no pod with an address, and packets were waited for that nobody could send."""
    code = "from fuzz.worlds import world; raise SystemExit(not any(pod.ips for pod in world(1, 16).topology.pods))"
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "unit" / "oracle")))
    assert run(["env", f"PYTHONPATH={paths}", sys.executable, "-P", "-c", code], check=False).status == 0


def test_no_verdict_differs_and_every_drop_reason_is_hit(root: None, tmp_path: Path) -> None:
    done = fuzz(ROOT, tmp_path, PACKETS)
    assert done.status == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["packets"] + sum(summary["not_judged"].values()) == PACKETS
    requests = {"past_proxy"}  # dropped by rules about requests alone, which these policies have none of
    assert set(summary["reasons"]) == {reason.name for reason in reasons().values()} - requests | {"none"}


@pytest.mark.parametrize(
    "name", ["fragments-of-any-packet", "icmp-errors-about-others", "identity-spoofed-source", "cidr-v6-holds-v4"]
)
def test_a_seeded_fault_is_found_and_its_packet_written_out(root: None, name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    assert (ROOT / fault.file).read_text().count(fault.find) == 1
    with overlay(fault) as mutated:
        done = fuzz(mutated.folder, tmp_path, FEWER)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert done.status == 1
    assert summary["differing"] > 0, done.stdout + done.stderr
    assert len([rdpcap(str(file)) for file in tmp_path.glob("*.pcap")]) == summary["differing"]
