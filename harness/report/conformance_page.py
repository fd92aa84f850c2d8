"""The report of a conformance run as one HTML page that loads nothing from anywhere."""

from harness.report import conformance_tables as tables
from harness.report.conformance_run import ConformanceRun
from harness.report.maturity import matrix
from harness.report.template import rendered


def conformance_page(run: ConformanceRun, *, paper: bool) -> str:
    """The page, for the screen or for paper."""
    values = {
        "run": run,
        "headlines": tables.headlines(run),
        "surprises": tables.surprises(run),
        "features": tables.by_feature(run),
        "areas": tables.by_area(run),
        "catalogue": tables.catalogue(run),
        "by_case": tables.by_case(run),
        "known": tables.known(run),
        "declared": tables.declared(run),
        "maturity": matrix(run.maturity, [plane.name for plane in run.dataplanes]),
        "asked": sum(run.control.flows.values()),
        "through": run.control.flows.get("forwarded", 0),
    }
    return rendered("conformance.html.j2", values, paper=paper)
