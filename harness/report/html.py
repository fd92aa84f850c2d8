"""The report as one HTML page that loads nothing from anywhere."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness import __version__
from harness.report import sentences, tables
from harness.report.lookup import Figures
from harness.report.metrics import METRICS, metric_text
from harness.report.plots import scenario_plots
from harness.report.plots.canvas import colour
from harness.report.quantity import duration
from harness.report.run import Run, ScenarioRow, read_run
from harness.report.samples import Samples

_EXPECTED = ("latency_p50", "cpu_per_request", "pss", "context_switches", "syscalls", "stack_traversals", "throughput", "bulk")


def render(folder: Path) -> str:
    """The page for a run's folder. Raises RunError."""
    run = read_run(folder)
    return render_run(run, Samples(folder))


def render_run(run: Run, samples: Samples) -> str:
    """The page for a run that was read."""
    environment = Environment(
        loader=PackageLoader("harness.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"colour": colour, "duration": duration, "percent": tables.percent}
    environment.filters["metric"] = lambda name: metric_text(name).label
    figures = Figures(run)
    return environment.get_template("report.html.j2").render(
        run=run,
        version=__version__,
        css=_asset(environment, "style.css"),
        script=_asset(environment, "table.js"),
        sentences=sentences,
        scenarios=[_section(figures, samples, scenario) for scenario in run.scenarios],
        targets=tables.target_lines(run),
        ratios=tables.ratio_lines(figures),
        estimates=tables.estimate_lines(run),
        support=tables.support_table(run),
        missing=missing(run),
    )


def missing(run: Run) -> list[tuple[str, str]]:
    """Metrics that a reader would look for and that have no figure, with the reason where the run gives one."""
    reasons = {row.metric: row.reason for row in run.unmeasured}
    present = {row.metric for row in run.estimates if row.estimate is not None}
    names = [name for name in METRICS if name in reasons or (name in _EXPECTED and name not in present)]
    names += [name for name in reasons if name not in METRICS]
    return [(metric_text(name).label, reasons.get(name, "the run does not say why")) for name in names]


def _section(figures: Figures, samples: Samples, scenario: ScenarioRow) -> dict[str, object]:
    return {
        "scenario": scenario,
        "glance": tables.glance(figures, scenario),
        "answers": sentences.answers(figures, scenario),
        "loads": tables.load_lines(scenario),
        "matrix": tables.matrix(figures.run, scenario),
        "plots": [(plot, Markup(plot.svg)) for plot in scenario_plots(figures, samples, scenario)],  # noqa: S704 -- our own SVG
    }


def _asset(environment: Environment, name: str) -> Markup:
    loader = environment.loader
    assert loader is not None
    return Markup(loader.get_source(environment, name)[0])  # noqa: S704 -- a file of this package
