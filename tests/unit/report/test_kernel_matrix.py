"""The kernel matrix as programs and people read it."""

from pathlib import Path

import pytest

from harness.model.kernels import CaseOn, KernelCheck, ObjectLoad
from harness.report.kernel_rows import FILE, FORMAT, KernelMatrix
from harness.report.kernels import answer, read_matrix, schema_text, write_matrix
from harness.report.run import RunError

SCHEMA = Path(__file__).parents[3] / "docs/schemas/kernels.schema.json"


def check(kernel: str, hook: str, refused: str = "", outcome: str = "pass") -> KernelCheck:
    objects = (ObjectLoad("mesh", () if refused else ("from_pod", "to_pod"), refused),)
    accel = "none" if kernel == "host" else "tcg"
    return KernelCheck(kernel, f"{kernel}.0-amd64", accel, hook, objects, {}, (CaseOn("policy/<a>", "ebpf", outcome),))


def matrix(*checks: KernelCheck) -> KernelMatrix:
    return KernelMatrix(format=FORMAT, started="2026-01-05T09:30:00+00:00", commit="abc", kernels=list(checks))


def test_the_answer_says_that_kernels_agree_and_what_differs_by_name() -> None:
    assert answer(matrix(check("host", "tcx"), check("6.12", "tcx"))) == (
        "Every program loads on host.0-amd64, 6.12.0-amd64, and they agree."
    )
    assert answer(matrix(check("host", "tcx"), check("6.1", "clsact"))).endswith("and they agree but for 1 named difference.")


def test_the_answer_says_that_a_program_was_refused() -> None:
    said = answer(matrix(check("host", "tcx"), check("6.1", "clsact", refused="why")))
    assert said.startswith("Not every program loads")
    assert "1 difference between them cannot be explained" in said


def test_files_can_be_read_again_and_escape_what_they_show(tmp_path: Path) -> None:
    made = matrix(check("host", "tcx"), check("6.1", "clsact", outcome="fail"))
    files = write_matrix(made, tmp_path)
    assert {file.name for file in files} == {FILE, "summary.md", "report.html"}
    assert read_matrix(tmp_path) == made
    page = (tmp_path / "report.html").read_text()
    assert "policy/<a>" not in page
    assert "not explained" in page
    assert (
        "| 6.1 | 6.1.0-amd64 | QEMU (tcg) | clsact | 1 of 1 | 2 | not run | 1 fail |" in (tmp_path / "summary.md").read_text()
    )


@pytest.mark.parametrize(("text", "said"), [("{", "Invalid JSON"), ('{"format": 1}', "Field required")])
def test_what_is_no_matrix_is_said_so(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RunError, match=said):
        read_matrix(tmp_path)


def test_a_folder_without_one_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"kernels\.json"):
        read_matrix(tmp_path)


def test_the_schema_is_that_of_the_model() -> None:
    assert SCHEMA.read_text() == schema_text()
