"""The faults that are seeded by hand fit the sources of today: each can be put in place, and what results compiles."""

import ast
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from shutil import copytree

import pytest

from harness.campaign.fields import FIELDS
from harness.lab.build import BPF_SOURCES, ROOT, vmlinux_header
from harness.lab.command import run
from harness.manifests.case import load_cases
from harness.manifests.faults import FOLDER, load_faults
from harness.model.fault import Fault

BY_HAND = FOLDER / "faults"
FLAGS = ("-fsyntax-only", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3", "-D__TARGET_ARCH_x86")
SAME_NODE_PATH = ("sockmap.bpf.c", "session.h")
SUBJECTS = {
    "ports", "cidr", "selectors", "namespaces", "entities", "direction", "default-deny", "deny-precedence", "icmp", "ipv6",
    "identity", "churn", "convergence", "conntrack", "revocation", "fragments", "sockmap", "nftables", "sidecar", "requests",
    "calls",
}  # fmt: skip


@pytest.fixture(scope="module")
def faults() -> list[Fault]:
    """Loading them proves that each one's text occurs exactly once, and each name."""
    return load_faults([BY_HAND])


def _seeded(fault: Fault) -> str:
    source = (ROOT / fault.file).read_text()
    assert source.count(fault.find) == 1
    return source.replace(fault.find, fault.replace)


def test_every_subject_of_the_field_has_faults_named_after_it(faults: list[Fault]) -> None:
    assert {file.stem for file in BY_HAND.glob("*.yaml")} == SUBJECTS
    assert [fault.name for fault in faults if not fault.name.startswith(f"{Path(fault.origin.file).stem}-")] == []
    assert len(faults) >= 45


def test_each_says_what_its_kill_looks_like_and_where_to_begin(faults: list[Fault]) -> None:
    assert [fault.name for fault in faults if fault.kind is None or not fault.first] == []


def test_faults_by_operators_begin_with_cases_about_their_file() -> None:
    cases = [case.id for case in load_cases()]
    mechanical = [fault for fault in load_faults() if fault.operator]
    assert {fault.file for fault in mechanical} <= set(FIELDS)
    for file, patterns in FIELDS.items():
        assert (ROOT / file).exists()
        assert [pattern for pattern in patterns if not any(fnmatchcase(case, pattern) for case in cases)] == [], file


def test_python_with_a_fault_still_parses(faults: list[Fault]) -> None:
    for fault in faults:
        if fault.file.endswith(".py"):
            ast.parse(_seeded(fault), fault.name)


def test_programs_with_a_fault_still_compile(faults: list[Fault], tmp_path: Path) -> None:
    include = vmlinux_header()

    def compile_seeded(fault: Fault) -> None:
        sources, file = tmp_path / fault.name, Path(fault.file).name
        copytree(BPF_SOURCES, sources)
        (sources / file).write_text(_seeded(fault))
        main = "sockmap.bpf.c" if file in SAME_NODE_PATH else "mesh.bpf.c"
        run(["clang", *FLAGS, f"-I{include}", f"-I{sources}", str(sources / main)])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_seeded, [fault for fault in faults if fault.file.startswith("bpf/")]))
