"""The faults that are seeded by hand fit the sources of today: each can be put in place, and what results compiles."""

import ast
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree

import pytest
import yaml

from harness.lab.build import BPF_SOURCES, ROOT, vmlinux_header
from harness.lab.command import run
from harness.manifests.place import SCENARIOS

FOLDER = SCENARIOS / "mutation" / "faults"
FLAGS = ("-fsyntax-only", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3", "-D__TARGET_ARCH_x86")
SUBJECTS = {
    "ports", "cidr", "selectors", "namespaces", "entities", "direction", "default-deny", "deny-precedence", "icmp", "ipv6",
    "identity", "conntrack", "revocation", "fragments", "sockmap", "nftables", "sidecar",
}  # fmt: skip

Fault = Mapping[str, str]


@pytest.fixture(scope="module")
def faults() -> list[Fault]:
    return [fault for file in sorted(FOLDER.glob("*.yaml")) for fault in yaml.safe_load(file.read_text())["faults"]]


def _seeded(fault: Fault) -> str:
    return (ROOT / fault["file"]).read_text().replace(fault["find"], fault["replace"])


def test_every_subject_of_the_field_has_faults_and_no_name_is_used_twice(faults: list[Fault]) -> None:
    assert {file.stem for file in FOLDER.glob("*.yaml")} == SUBJECTS
    assert [name for name, count in Counter(fault["name"] for fault in faults).items() if count > 1] == []
    assert len(faults) >= 45


def test_each_is_named_after_its_subject() -> None:
    for file in FOLDER.glob("*.yaml"):
        for fault in yaml.safe_load(file.read_text())["faults"]:
            assert fault["name"].startswith(f"{file.stem}-")


def test_what_a_fault_replaces_stands_in_its_file_exactly_once(faults: list[Fault]) -> None:
    counts = {fault["name"]: (ROOT / fault["file"]).read_text().count(fault["find"]) for fault in faults}
    assert {name: count for name, count in counts.items() if count != 1} == {}
    assert [fault["name"] for fault in faults if fault["find"] == fault["replace"]] == []


def test_python_with_a_fault_still_parses(faults: list[Fault]) -> None:
    for fault in faults:
        if fault["file"].endswith(".py"):
            ast.parse(_seeded(fault), fault["name"])


def test_programs_with_a_fault_still_compile(faults: list[Fault], tmp_path: Path) -> None:
    include = vmlinux_header()

    def compile_seeded(fault: Fault) -> None:
        sources = tmp_path / fault["name"]
        copytree(BPF_SOURCES, sources)
        (sources / Path(fault["file"]).name).write_text(_seeded(fault))
        main = "sockmap.bpf.c" if Path(fault["file"]).name in ("sockmap.bpf.c", "session.h") else "mesh.bpf.c"
        run(["clang", *FLAGS, f"-I{include}", f"-I{sources}", str(sources / main)])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_seeded, [fault for fault in faults if fault["file"].startswith("bpf/")]))
