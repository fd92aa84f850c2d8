"""Cases on nodes that are machines of their own: two in QEMU, and one that Vagrant brings up."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import MESHPROOF, Guests, Run

from harness.lab.addressing import plan
from harness.lab.port import LabError
from harness.lab.vm import vagrant
from harness.lab.vm.machines import owners
from harness.lab.vm.packages import vm_cache
from harness.model.topology import Topology

CASES = ("policy/np-both-ends", "policy/cnp-deny-over-allow", "policy/np-icmp", "identity/policy-removed")
FOLDER = Path("scenarios/conformance")


def test_two_nodes_apart_are_judged_as_two_namespaces_are(meshproof: Run, tmp_path: Path) -> None:
    named = [word for name in ("ebpf", "ebpf-sockmap", "nftables", "sidecar") for word in ("--dataplane", name)]
    done = meshproof(
        "conform",
        *(FOLDER / case for case in CASES),
        *named,
        "--lab",
        "qemu",
        "--kernel",
        "6.12",
        "--json",
        tmp_path / "out.json",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lab=qemu kernel=6.12 accel=tcg; no figure comes from there" in done.stderr
    outcomes = {(row["case"], row["dataplane"]): row for row in json.loads((tmp_path / "out.json").read_text())["results"]}
    assert len(outcomes) == 4 * len(CASES)
    for (case, plane), row in outcomes.items():
        assert row["outcome"] == ("unsupported" if plane == "sidecar" else "pass"), (case, plane, row["reason"])
        assert plane != "sidecar" or "holds its lab in one process" in row["reason"]
    assert "no figure" in done.stderr


def test_a_node_of_vagrants_runs_the_core_of_conformance(meshproof: Run) -> None:
    done = meshproof("kernels", "6.1", "--lab", "vagrant", "--dataplane", "ebpf", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (check,) = json.loads(done.stdout)["kernels"]
    assert (check["accel"], check["hook"]) == ("tcg", "clsact")
    assert check["release"].startswith("6.1.")
    assert [each["name"] for each in check["objects"] if each["refused"]] == []
    outcomes = [each["outcome"] for each in check["cases"]]
    assert (outcomes.count("pass"), outcomes.count("unsupported"), len(outcomes)) == (10, 2, 12)


def test_a_node_that_does_not_come_up_in_time_is_told_of(monkeypatch: pytest.MonkeyPatch, guests: Guests) -> None:
    monkeypatch.setattr(vagrant, "UP_SECONDS", 12.0)
    alone = plan(Topology("node", ("node",), (), ())).nodes
    began = time.monotonic()
    with pytest.raises(LabError, match=r"vagrant up failed: .*node: "), vagrant.vagrant_nodes("6.1", alone):
        pass
    assert time.monotonic() - began < 120
    assert not guests()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_vagrant_interrupted_while_nodes_come_up_leaves_nothing(meshproof: Run, guests: Guests, how: signal.Signals) -> None:
    argv = [MESHPROOF, "kernels", "6.1", "--lab", "vagrant", "--dataplane", "ebpf"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        deadline = time.monotonic() + 300
        while not guests():
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        running.send_signal(how)
        running.communicate(timeout=60)
    assert running.returncode == (130 if how is signal.SIGINT else -how)
    deadline = time.monotonic() + 15
    while guests():
        assert time.monotonic() < deadline, "a node is still there"
        time.sleep(0.05)
    assert meshproof("clean").returncode == 0
    assert not owners()
    assert not [image for image in (vm_cache() / "images").iterdir() if "_vagrant_box_image_" not in image.name]
