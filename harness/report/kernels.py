"""The kernel matrix: for programs (JSON), for people (Markdown and a page)."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from harness.model.kernels import KernelCheck
from harness.report.kernel_rows import FILE, FORMAT, KernelMatrix
from harness.report.run import RunError
from harness.report.template import rendered

OUTCOMES = ("pass", "fail", "unsupported", "error")


def read_matrix(folder: Path) -> KernelMatrix:
    """The matrix of a folder. Raises RunError."""
    file = folder / FILE
    try:
        matrix = KernelMatrix.model_validate_json(file.read_bytes())
    except OSError as error:
        raise RunError(f"{file}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise RunError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if matrix.format != FORMAT:
        raise RunError(f"{file}: format {matrix.format}; this version reads format {FORMAT}")
    return matrix


def write_matrix(matrix: KernelMatrix, folder: Path) -> list[Path]:
    """Write ``kernels.json``, ``summary.md`` and ``report.html``; their paths."""
    texts = {
        FILE: matrix.model_dump_json(indent=1) + "\n",
        "summary.md": matrix_markdown(matrix),
        "report.html": matrix_page(matrix),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def schema_text() -> str:
    """docs/schemas/kernels.schema.json."""
    return json.dumps(KernelMatrix.model_json_schema(), indent=1) + "\n"


def kernel_rows(matrix: KernelMatrix) -> list[dict[str, str]]:
    """A row for each kernel, as readers compare them."""
    return [
        {
            "Kernel": check.kernel,
            "Release": check.release,
            "Runs in": "this machine" if check.accel == "none" else f"QEMU ({check.accel})",
            "Hook": check.hook or "none",
            "Objects loaded": _share(sum(not each.refused for each in check.objects), len(check.objects)),
            "Programs": str(sum(len(each.programs) for each in check.objects)),
            "Tests by test run": _tests(check),
            "Cases": _outcomes([each.outcome for each in check.cases]),
        }
        for check in matrix.kernels
    ]


def plane_rows(matrix: KernelMatrix) -> list[dict[str, str]]:
    """A row for each data plane: what the cases came to on each kernel."""
    planes = dict.fromkeys(each.dataplane for check in matrix.kernels for each in check.cases)
    return [
        {"Data plane": plane}
        | {
            check.kernel: _outcomes([each.outcome for each in check.cases if each.dataplane == plane])
            for check in matrix.kernels
        }
        for plane in planes
    ]


def answer(matrix: KernelMatrix) -> str:
    """One sentence."""
    bad = [each for each in matrix.differences if each.bad]
    names = ", ".join(check.release for check in matrix.kernels)
    loaded = all(not each.refused for check in matrix.kernels for each in check.objects)
    programs = "Every program loads" if loaded else "Not every program loads"
    if bad:
        return f"{programs} on {names}; {len(bad)} difference{'s' if len(bad) > 1 else ''} between them cannot be explained."
    named = len(matrix.differences)
    return f"{programs} on {names}, and they agree" + (
        f" but for {named} named difference{'s' if named > 1 else ''}." if named else "."
    )


def section(matrix: KernelMatrix | None) -> dict[str, object] | None:
    """What a run's report says of the kernels, None where no matrix was given to it."""
    if matrix is None:
        return None
    return {
        "answer": answer(matrix),
        "rows": kernel_rows(matrix),
        "planes": plane_rows(matrix),
        "differences": matrix.differences,
    }


def matrix_markdown(matrix: KernelMatrix) -> str:
    """For a summary of CI, and for GitHub."""
    lines = ["# Kernels", "", answer(matrix), "", *_table(kernel_rows(matrix)), "", *_table(plane_rows(matrix))]
    found = matrix.differences
    if found:
        lines += ["", "## Differences", ""]
        for each in found:
            seen = ", ".join(f"{kernel}: {what}" for kernel, what in each.found.items())
            lines.append(f"- {'**Not explained.** ' if each.bad else ''}{each.subject} ({seen}). {each.reason}".rstrip())
    return "\n".join([*lines, "", "Guests that are interpreted (tcg) say what happens, never how fast.", ""])


def matrix_page(matrix: KernelMatrix) -> str:
    """A page that loads nothing from anywhere."""
    values = {"matrix": matrix, "kernels": section(matrix)}
    return rendered("kernels.html.j2", values, paper=False)


def _share(some: int, of: int) -> str:
    return f"{some} of {of}"


def _tests(check: KernelCheck) -> str:
    if check.tests is None:
        return "not run"
    ran = check.tests
    return f"{ran.passed} passed" + (f", {len(ran.failed)} failed" if ran.failed else "")


def _outcomes(outcomes: Sequence[str]) -> str:
    counted = Counter(outcomes)
    return ", ".join(f"{counted[outcome]} {outcome}" for outcome in OUTCOMES if counted[outcome]) or "not asked"


def _table(rows: Sequence[dict[str, str]]) -> list[str]:
    if not rows:
        return []
    head = list(rows[0])
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *(row.values() for row in rows))]
