"""Where on the page a cell's figure stands, so that a claim leads to its figures and a figure back to its claims."""

import re
from collections.abc import Collection, Iterable

from harness.report.claim_rows import LinkRow
from harness.report.claims import ClaimLine
from harness.report.metrics import METRICS
from harness.report.run import Run, ScenarioRow

_SUFFIXES = {"latency": ("dots", "curve"), "service": ("dots",), "bpf": ("programs",)}


def plot_key(scenario: str, *parts: str) -> str:
    """The id of a plot of a scenario."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", "-".join(["plot", scenario, *parts]))


def claim_anchor(name: str) -> str:
    """The id of a claim's evidence."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"claim-{name}")


def scenario_anchor(name: str) -> str:
    """The id under which a scenario's figures begin."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"figures-{name}")


def anchor(run: Run, keys: Collection[str], link: LinkRow) -> str | None:
    """The id that a link to a cell of this run leads to: its plot, else its scenario's figures. None where it is not here.

    ``where`` is ``scenario/load``, and may say more after it; a metric that is named there or in ``what`` chooses the plot.
    """
    if any(link.run == each.folder for each in run.evidence):
        return None
    scenario = _scenario(run, link.where)
    if scenario is None:
        return None
    rest = link.where.removeprefix(scenario.name).removeprefix("/")
    load = re.split(r"[/ ,:]", rest)[0]
    metric = next((name for name in METRICS if name in f"{rest} {link.what}"), "latency_p50")
    wanted = [*_SUFFIXES.get(metric.split("_")[0], ()), metric]
    exact = [plot_key(scenario.name, load, suffix) for suffix in wanted]
    beside = [key for key in keys if load and key.startswith(plot_key(scenario.name, load) + "-")]
    found = [key for key in exact if key in keys] or beside
    return found[0] if found else scenario_anchor(scenario.name)


def back_links(run: Run, keys: Collection[str], claims: Iterable[ClaimLine]) -> dict[str, list[str]]:
    """For each plot the claims that lead to it."""
    back: dict[str, list[str]] = {}
    for claim in claims:
        for side in claim.sides.values():
            for link in (link for endpoint in side.endpoints for link in endpoint.links):
                place = anchor(run, keys, link)
                if place in keys and place is not None and claim.id not in back.setdefault(place, []):
                    back[place].append(claim.id)
    return back


def _scenario(run: Run, where: str) -> ScenarioRow | None:
    fitting = [each for each in run.scenarios if re.match(re.escape(each.name) + r"(?:$|[/ ,:])", where)]
    return max(fitting, key=lambda each: len(each.name), default=None)
