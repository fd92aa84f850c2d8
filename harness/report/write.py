"""All reports of a run, from nothing but its folder: no root, no lab."""

from collections.abc import Callable
from pathlib import Path

from harness.report.junit import junit_xml
from harness.report.run import RunError, read_run


def write_reports(folder: Path) -> list[Path]:
    """Write ``report.html``, ``report.pdf`` and ``junit.xml`` into a run's folder and return them. Raises RunError.

    Each file replaces an older one only when it is whole.
    """
    from harness.report.html import Page  # noqa: PLC0415 -- matplotlib and pandas, only when a report is made
    from harness.report.pdf import write_pdf  # noqa: PLC0415 -- weasyprint, the same
    from harness.report.samples import Samples  # noqa: PLC0415 -- pandas, the same

    run = read_run(folder)
    page = Page(run, Samples(folder))
    try:
        return [
            _replace(folder / "report.html", lambda part: part.write_text(page.render(paper=False))),
            _replace(folder / "report.pdf", lambda part: write_pdf(page.render(paper=True), part)),
            _replace(folder / "junit.xml", lambda part: part.write_text(junit_xml(run))),
        ]
    except OSError as fault:
        raise RunError(f"{folder}: the reports cannot be written: {fault}; the run's figures are kept") from fault


def _replace(file: Path, write: Callable[[Path], object]) -> Path:
    part = file.with_name(f".{file.name}.part")
    try:
        write(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file
