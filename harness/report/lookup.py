"""Finding a run's estimates by what they are about."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.report.run import EstimateRow, LoadRow, NoiseRow, Run, ScenarioRow

KINDS: dict[str, tuple[str, ...]] = {
    "latency_p50": ("latency",),
    "latency_p90": ("latency",),
    "latency_p99": ("latency",),
    "latency_p999": ("latency",),
    "cpu_per_request": ("cost", "maximum", "closed", "blocking"),
    "cpu_per_gigabyte": ("bulk",),
    "context_switches": ("trace",),
    "syscalls": ("trace",),
    "stack_traversals": ("trace",),
    "cpu_ledger_per_request": ("trace",),
    "bpf_run_time": ("cost", "trace", "maximum"),
    "pss": ("cost",),
    "bpf_memory": ("cost",),
    "throughput": ("maximum", "closed", "blocking", "connections"),
    "capacity": ("capacity",),
    "bulk": ("bulk",),
}
"""Kinds of load in which a metric means something to a reader: an open loop's throughput is only what was offered."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A load of a scenario."""

    scenario: ScenarioRow
    load: LoadRow


class Figures:
    """Estimates of one run, indexed."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.planes = [plane.name for plane in run.dataplanes]
        self._rows: dict[tuple[str, str, str, str, str, str | None], EstimateRow] = {}
        self._parts: dict[tuple[str, str, str, str], dict[str, EstimateRow]] = {}
        for row in run.estimates:
            self._rows[row.scenario, row.load, row.dataplane, row.metric, row.component, row.against] = row
            if row.component and row.against is None and row.estimate is not None:
                whole = (row.scenario, row.load, row.dataplane, row.metric)
                self._parts.setdefault(whole, {})[row.component] = row
        self._unsupported = {(row.scenario, row.dataplane): row.reason for row in run.unsupported}
        self._noise = {(row.scenario, row.load, row.metric): row for row in run.noise_floor}

    def lacking(self, scenario: ScenarioRow, plane: str) -> str | None:
        """Why a plane cannot do the scenario, or None."""
        return self._unsupported.get((scenario.name, plane))

    def absolute(self, cell: Cell, plane: str, metric: str, component: str = "") -> EstimateRow | None:
        """The estimate in its own unit, or None where there is no figure."""
        row = self._rows.get((cell.scenario.name, cell.load.name, plane, metric, component, None))
        return row if row is not None and row.value is not None else None

    def ratio(self, cell: Cell, plane: str, against: str, metric: str) -> EstimateRow | None:
        """The paired ratio of ``plane`` to ``against``, or None where there is no figure."""
        row = self._rows.get((cell.scenario.name, cell.load.name, plane, metric, "", against))
        return row if row is not None and row.value is not None else None

    def components(self, cell: Cell, plane: str, metric: str) -> dict[str, EstimateRow]:
        """The metric's parts by component, without the whole."""
        return self._parts.get((cell.scenario.name, cell.load.name, plane, metric), {})

    def noise(self, cell: Cell, metric: str) -> NoiseRow | None:
        """The noise floor of a metric, or None where no A/A pair gave one."""
        return self._noise.get((cell.scenario.name, cell.load.name, metric))

    def cells(self, scenario: ScenarioRow, metric: str) -> list[Cell]:
        """The loads of a scenario in which the metric was measured on any plane and means something."""
        kinds = KINDS.get(metric)
        loads = [load for load in scenario.loads if kinds is None or load.kind in kinds]
        cells = [Cell(scenario, load) for load in loads]
        return [cell for cell in cells if any(self._measured(cell, plane, metric) for plane in self.planes)]

    def main_cell(self, scenario: ScenarioRow, metric: str) -> Cell | None:
        """The first of ``cells``: the one that stands in headlines."""
        return next(iter(self.cells(scenario, metric)), None)

    def pairs(self, scenario: ScenarioRow) -> list[tuple[str, str]]:
        """The pairs of planes that were compared, ordered: rivals by their place in the run, ``plain`` first."""
        found = {(row.dataplane, row.against) for row in self._ratio_rows(scenario)}
        place = {name: index for index, name in enumerate(self.planes)}
        return sorted(found, key=lambda pair: (place.get(pair[1], 99), place.get(pair[0], 99)))

    def equal(self, scenario: ScenarioRow, plane: str, against: str) -> bool | None:
        """Whether the two have equal features in this scenario; None where the run does not say."""
        said = {row.equal_features for row in self._ratio_rows(scenario) if (row.dataplane, row.against) == (plane, against)}
        return said.pop() if len(said) == 1 else None

    def _measured(self, cell: Cell, plane: str, metric: str) -> bool:
        return self.absolute(cell, plane, metric) is not None or bool(self.components(cell, plane, metric))

    def _ratio_rows(self, scenario: ScenarioRow) -> Iterator["_Ratio"]:
        for row in self.run.estimates:
            if row.scenario == scenario.name and row.against is not None and "#" not in row.dataplane + row.against:
                yield _Ratio(row.dataplane, row.against, row.equal_features)


@dataclass(frozen=True, slots=True)
class _Ratio:
    dataplane: str
    against: str
    equal_features: bool | None
