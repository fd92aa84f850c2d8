"""Reports of a run, made from its folder alone: HTML, PDF, JUnit XML, and a summary for a terminal."""

from harness.report.run import RunError
from harness.report.summary import summary_text
from harness.report.write import write_reports

__all__ = ["RunError", "summary_text", "write_reports"]
