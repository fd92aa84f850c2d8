"""All reports of a run, from nothing but its folder: no root, no lab."""

from collections.abc import Callable
from pathlib import Path

from harness.report.conformance import conformance_junit, conformance_markdown
from harness.report.conformance_run import FILE, read_conformance
from harness.report.junit import junit_xml
from harness.report.run import RunError, read_run

Writer = Callable[[Path], object]


def write_reports(folder: Path) -> list[Path]:
    """Write the reports of a run's folder, of benchmarks or of conformance cases, and return them. Raises RunError.

    Each file replaces an older one only when it is whole.
    """
    of_conformance = (folder / FILE).is_file()
    writers = _conformance(folder) if of_conformance else _bench(folder)
    try:
        return [_replace(folder / name, write) for name, write in writers.items()]
    except OSError as fault:
        raise RunError(f"{folder}: the reports cannot be written: {fault}; the run's figures are kept") from fault


def _bench(folder: Path) -> dict[str, Writer]:
    from harness.report.html import Page  # noqa: PLC0415 -- matplotlib and pandas, only when a report is made
    from harness.report.pdf import write_pdf  # noqa: PLC0415 -- weasyprint, the same
    from harness.report.samples import Samples  # noqa: PLC0415 -- pandas, the same

    run = read_run(folder)
    page = Page(run, Samples(folder))
    return {
        "report.html": lambda part: part.write_text(page.render(paper=False)),
        "report.pdf": lambda part: write_pdf(page.render(paper=True), part),
        "junit.xml": lambda part: part.write_text(junit_xml(run)),
    }


def _conformance(folder: Path) -> dict[str, Writer]:
    from harness.report.conformance_page import conformance_page  # noqa: PLC0415 -- matplotlib, only when a report is made
    from harness.report.pdf import write_pdf  # noqa: PLC0415 -- weasyprint, the same

    run = read_conformance(folder)
    results = run.outcomes()
    took = run.took()
    return {
        "report.html": lambda part: part.write_text(conformance_page(run, paper=False)),
        "report.pdf": lambda part: write_pdf(conformance_page(run, paper=True), part),
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
