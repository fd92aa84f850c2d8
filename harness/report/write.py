"""All reports of a run, from nothing but its folder: no root, no lab."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from harness.report.conformance import conformance_junit, conformance_markdown
from harness.report.conformance_run import FILE, ConformanceRun, read_conformance
from harness.report.junit import junit_xml
from harness.report.printing import Printed, printing
from harness.report.run import Run, RunError, read_run

Writer = Callable[[Path], object]


def write_reports(folder: Path) -> list[Path]:
    """Write the reports of a run's folder, of benchmarks or of conformance cases, and return them. Raises RunError.

    Each file replaces an older one only when it is whole.
    """
    if (folder / FILE).is_file():
        made = partial(_conformance, read_conformance(folder))
    else:
        made = partial(_bench, read_run(folder), folder)
    with printing() as on_paper:
        writers = made(on_paper)
        try:
            return [_replace(folder / name, write) for name, write in writers.items()]
        except OSError as fault:
            raise RunError(f"{folder}: the reports cannot be written: {fault}; the run's figures are kept") from fault


def _bench(run: Run, folder: Path, on_paper: Callable[[str], Printed]) -> dict[str, Writer]:
    from harness.report.html import Page  # noqa: PLC0415 -- matplotlib and pandas, only when a report is made
    from harness.report.samples import Samples  # noqa: PLC0415 -- pyarrow, the same

    page = Page(run, Samples(folder))
    printed = on_paper(page.render(paper=True))
    return {
        "report.html": lambda part: part.write_text(page.render(paper=False)),
        "report.pdf": lambda part: part.write_bytes(printed()),
        "junit.xml": lambda part: part.write_text(junit_xml(run)),
    }


def _conformance(run: ConformanceRun, on_paper: Callable[[str], Printed]) -> dict[str, Writer]:
    from harness.report.conformance_page import conformance_page  # noqa: PLC0415 -- matplotlib, only when a report is made

    printed = on_paper(conformance_page(run, paper=True))
    results = run.outcomes()
    took = run.took()
    return {
        "report.html": lambda part: part.write_text(conformance_page(run, paper=False)),
        "report.pdf": lambda part: part.write_bytes(printed()),
        "junit.xml": lambda part: part.write_text(conformance_junit(results, took)),
        "summary.md": lambda part: part.write_text(conformance_markdown(results, run.rows(), took, run.maturity)),
    }


def _replace(file: Path, write: Writer) -> Path:
    part = file.with_name(f".{file.name}.part")
    try:
        write(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file
