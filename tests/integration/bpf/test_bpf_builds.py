"""Programs can be built from the types of kernels that carry less than this one's."""

import re
import subprocess
from pathlib import Path

import pytest

from harness.lab.build import BPF_SOURCES, vmlinux_header

UNNAMED = "BPF_F_CURRENT_NETNS"  # an enum of 64 bits, which Debian's 6.1 leaves out of its types


@pytest.fixture(scope="module")
def older_types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("types")
    text = (vmlinux_header() / "vmlinux.h").read_text()
    (folder / "vmlinux.h").write_text(re.sub(rf"^\s*{UNNAMED} = .*\n", "\tNOBODY_S_NAME = -1,\n", text, flags=re.MULTILINE))
    return folder


@pytest.mark.parametrize("source", sorted(BPF_SOURCES.glob("*.bpf.c")), ids=lambda source: source.name)
def test_a_program_needs_no_enum_of_64_bits(source: Path, older_types: Path) -> None:
    assert UNNAMED not in (older_types / "vmlinux.h").read_text()
    argv = ["clang", "-fsyntax-only", "-target", "bpf", "-D__TARGET_ARCH_x86", f"-I{older_types}", f"-I{BPF_SOURCES}", source]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
