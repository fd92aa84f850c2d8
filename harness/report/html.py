"""The report as one HTML page that loads nothing from anywhere."""

from functools import partial

from markupsafe import Markup

from harness.report import (
    answer,
    capacity,
    claims,
    decision,
    kernels,
    known_effects,
    ledger,
    machines,
    paths,
    scaling,
    sentences,
    tables,
    verdicts,
)
from harness.report.anchors import anchor, back_links
from harness.report.lookup import KINDS, Figures
from harness.report.metrics import METERS, metric_text
from harness.report.plots import Plot, figure_plots, first_plots, ratio_plots
from harness.report.plots.drawing import drawn
from harness.report.plots.lines import line_plot
from harness.report.run import Run
from harness.report.samples import Samples
from harness.report.template import rendered

_EXPECTED = ("latency_p50", "cpu_per_request", "pss", "context_switches", "syscalls", "stack_traversals", "throughput", "bulk")
_CONTENTS = {
    "scaling": "How cost grows",
    "answer": "Answer",
    "evidence": "Evidence by claim",
    "decision": "Decision",
    "targets": "Targets",
    "glance": "Costs",
    "figures": "Figures",
    "ledger": "Cost ledger",
    "ratios": "Ratios",
    "policy": "Policy",
    "supports": "Supports",
    "kernels": "Kernels",
    "method": "Method",
    "known-effects": "Known effects",
    "noise": "Noise floor",
    "void": "Void",
    "machine": "Machine",
    "reproduce": "Reproduce",
    "scope": "Scope",
}


class Page:
    """The report of one run. Plots are drawn once and serve both the screen and paper."""

    def __init__(self, run: Run, samples: Samples) -> None:
        figures = Figures(run)
        judged, decided = claims.claim_lines(run), decision.decision(run)
        first, *rest = drawn(
            [
                partial(first_plots, figures, samples),
                *(partial(figure_plots, figures, samples, scenario) for scenario in run.scenarios),
                *(partial(ratio_plots, figures, scenario) for scenario in run.scenarios),
            ]
        )
        plots, ratios = rest[: len(run.scenarios)], rest[len(run.scenarios) :]
        keys = {plot.key: None for each in rest for plot in each}  # in the page's order
        self._linked = partial(anchor, run, keys)
        self._values: dict[str, object] = {
            "run": run,
            "contents": contents(run, claims=bool(judged), decision=bool(decided)),
            "columns": claims.COLUMNS,
            "signs": answer.SIGNS,
            "decided": decided,
            "decision_said": answer.decision_sentences(decided),
            "claims": judged,
            "claims_said": answer.claims_sentences(judged),
            "warnings": claims.warnings(run),
            "unanswered": answer.unanswered(run),
            "pictures": [_drawn(plot) for plot in first],
            "back": back_links(run, keys, judged),
            "planes": figures.planes,
            "sentences": sentences,
            "targets": tables.target_lines(run),
            "ratios": tables.ratio_lines(figures),
            "estimates": tables.estimate_lines(run),
            "ledger": ledger.ledger_tables(figures),
            "noise": tables.noise_lines(run),
            "support": verdicts.support_table(run),
            "missing": missing(run),
            "machines": machines.machine_lines(run),
            "kernels": kernels.section(run.kernels),
            "known_effects": known_effects.told(run),
            "scaling": {
                "subjects": scaling.subjects(run),
                "untested": scaling.UNTESTED,
                "plots": [_drawn(line_plot(fits)) for fits in scaling.pictured(run)],
            },
            "scenarios": [
                {
                    "scenario": scenario,
                    "glance": tables.glance(figures, scenario),
                    "pairs": tables.pair_tables(figures, scenario),
                    "answers": sentences.answers(figures, scenario),
                    "empty": tables.empty_loads(run, scenario),
                    "loads": tables.load_lines(scenario),
                    "by_load": tables.load_figures(figures, scenario),
                    "lacking": [row for row in run.unsupported if row.scenario == scenario.name],
                    "capacities": capacity.tables(figures, scenario),
                    "paths": paths.path_shares(figures, scenario),
                    "backends": paths.backend_shares(figures, scenario),
                    "matrix": verdicts.matrix(run, scenario),
                    "plots": [_drawn(plot) for plot in own],
                    "ratio_plots": [_drawn(plot) for plot in paired],
                }
                for scenario, own, paired in zip(run.scenarios, plots, ratios, strict=True)
            ],
        }

    def render(self, *, paper: bool) -> str:
        """The page; on ``paper`` without what only a screen can do: scripts, and tables of hundreds of rows."""
        return rendered("report.html.j2", self._values, paper=paper, linked=self._linked)


_COMPARISON = ("answer", "targets", "glance", "figures", "ratios", "known-effects")
"""Sections of runs that compare data planes, and not of those that say how cost grows."""


def contents(run: Run, *, claims: bool, decision: bool) -> list[tuple[str, str]]:
    """The page's sections: id and title, in its order."""
    told = dict.fromkeys(_COMPARISON, not run.scaling) | {"scaling": bool(run.scaling)}
    traced = any(row.metric == "cpu_ledger_per_request" for row in run.estimates)
    told |= {"ledger": traced, "evidence": claims and not run.scaling, "decision": decision and not run.scaling}
    told["kernels"] = run.kernels is not None
    return [(name, title) for name, title in _CONTENTS.items() if told.get(name, True)]


def missing(run: Run) -> list[tuple[str, str]]:
    """What a reader would look for in these loads and will not find, with the reason where the run gives one."""
    reasons = {row.metric: row.reason for row in run.unmeasured}
    by_meter = {metric: reasons[meter] for meter, metrics in METERS.items() if meter in reasons for metric in metrics}
    known = by_meter | {name: reason for name, reason in reasons.items() if name not in METERS}
    present = {row.metric for row in run.estimates if row.value is not None}
    kinds = {load.kind for scenario in run.scenarios for load in scenario.loads}
    empty = {load for scenario in run.scenarios for load, _ in tables.empty_loads(run, scenario)}
    kinds -= {load.kind for scenario in run.scenarios for load in scenario.loads if load.name in empty}
    names = [name for name in _EXPECTED if name not in present and kinds.intersection(KINDS[name])]
    names += [name for name in known if name not in names and name not in present]
    return [(metric_text(name).label, known.get(name, "the run does not say why")) for name in names]


def _drawn(plot: Plot) -> tuple[Plot, Markup]:
    return plot, Markup(plot.svg)  # noqa: S704 -- drawn by us; matplotlib escapes the names in it
