"""What `conform --lab`, `kernels` and `box` refuse before anything is started."""

import subprocess
import sys
from pathlib import Path

import pytest

MESHPROOF = Path(sys.executable).with_name("meshproof")
CASE = "scenarios/conformance/policy/np-both-ends"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["conform", CASE, "--lab", "docker"], "--lab docker: there is netns, qemu, vagrant"),
        (["conform", CASE, "--kernel", "6.1"], "--kernel is for --lab qemu and vagrant: namespaces have this machine's"),
        (["conform", CASE, "--lab", "qemu", "--kernel", "2.4"], "there is no kernel '2.4'; there are 6.1, 6.12"),
        (["conform", CASE, "--lab", "qemu", "--keep"], "--lab qemu goes with --dataplane, --json, --junit, --markdown"),
        (["kernels", "2.4"], "there is no kernel '2.4'; there are host, 6.1, 6.12"),
        (["kernels", "6.1", "--lab", "docker"], "--lab docker: there is qemu and vagrant"),
        (["kernels", "--programs", "--tests"], "--programs asks nothing of data planes and runs no tests"),
        (["box", "burn"], "box burn: there is build, list, remove"),
        (["box", "build", "--kernel", "2.4"], "there is no kernel '2.4'; there are 6.1, 6.12"),
    ],
)
def test_bad_use_is_told_in_a_line(arguments: list[str], said: str) -> None:
    done = subprocess.run([MESHPROOF, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
