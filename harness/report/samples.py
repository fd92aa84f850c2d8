"""Samples and histograms of a run's folder."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from hdrh.histogram import HdrHistogram
from pyarrow import parquet

from harness.report.run import RunError

SAMPLE_COLUMNS = (
    "block", "order", "scenario", "load", "kind", "arm", "dataplane", "metric", "component", "unit", "value", "void",
)  # fmt: skip
"""``samples.parquet``: one row a figure of a cell; ``void`` says why the cell does not count, else null."""

HISTOGRAM_COLUMNS = ("block", "scenario", "load", "arm", "dataplane", "histogram")
"""``histograms.parquet``: ``histogram`` is HDR-encoded (V2, base64), its values in ns from the intended send time."""

_CELL = ["block", "scenario", "load", "arm"]
_NAMES = ["scenario", "load", "arm"]
_FIGURE = ["scenario", "load", "arm", "metric", "component"]
_LATER = ["pooled"]  # what older runs lack

Counted = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]
"""Latencies in seconds, rising, and how many requests had each."""


class Samples:
    """The figures and histograms of one run, without void cells."""

    def __init__(self, folder: Path) -> None:
        """Read ``samples.parquet`` and ``histograms.parquet``. Raises RunError."""
        samples = _read(
            folder / "samples.parquet", SAMPLE_COLUMNS, [*dict.fromkeys([*_CELL, *_FIGURE]), "value", "void", *_LATER]
        )
        histograms = _read(folder / "histograms.parquet", HISTOGRAM_COLUMNS, list(HISTOGRAM_COLUMNS))
        left_out = samples["void"].notna()
        if "pooled" in samples.columns:  # of a machine unlike the run's: it enters ratios only, and no absolute figure
            left_out |= ~samples["pooled"]
        void = samples.loc[left_out, _CELL].drop_duplicates().astype(dict.fromkeys(_NAMES, "str"))
        marked = histograms.merge(void, on=_CELL, how="left", indicator="valid")
        kept = samples[~left_out]
        order = kept.groupby(_FIGURE, observed=True, sort=False)
        values = kept["value"].to_numpy()
        self._values = {key: values[places] for key, places in order.indices.items()}
        self._histograms = marked[marked["valid"] == "left_only"]

    def blocks(self, scenario: str, load: str, arm: str, metric: str, component: str = "") -> list[float]:
        """The figure of each block; empty where there is none."""
        values = self._values.get((scenario, load, arm, metric, component), np.empty(0))
        return [float(value) for value in values[np.isfinite(values)]]

    def curves(self, scenario: str, load: str, arms: list[str]) -> dict[str, list[Counted]]:
        """The histograms of each arm that has any, block by block."""
        frame = self._histograms
        here = frame[(frame["scenario"] == scenario) & (frame["load"] == load)]
        decoded = {arm: [decode(text) for text in here.loc[here["arm"] == arm, "histogram"]] for arm in arms}
        return {arm: [block for block in blocks if block[1].sum()] for arm, blocks in decoded.items() if blocks}


def _read(file: Path, columns: tuple[str, ...], wanted: list[str]) -> pd.DataFrame:
    """The ``wanted`` columns that there are. Names that come millions of times are held once, as categories."""
    if not file.is_file():
        raise RunError(f"{file}: not there; the run's folder is not complete")
    try:
        found = parquet.read_schema(file).names
        missing = [column for column in columns if column not in found]
        if missing:
            raise RunError(f"{file}: lacks the column {', '.join(missing)}; found {', '.join(map(str, found))}")
        wanted = [column for column in wanted if column in found]
        repeated = [column for column in wanted if column in (*_FIGURE, "void") and "histogram" not in columns]
        table = parquet.read_table(file, columns=wanted, read_dictionary=repeated)
    except (OSError, ValueError) as fault:
        raise RunError(f"{file}: not a Parquet file that can be read: {fault}") from fault
    frame: pd.DataFrame = table.to_pandas()
    return frame


def decode(encoded: str | bytes) -> Counted:
    """An HDR-encoded histogram of ns as latencies in seconds and their counts."""
    histogram = HdrHistogram.decode(encoded)
    counts = np.asarray(histogram.counts[: histogram.counts_len], dtype=np.int64)
    used = np.flatnonzero(counts)
    values = np.array([histogram.get_value_from_index(int(index)) for index in used], dtype=np.float64)
    return values * 1e-9, counts[used]


def merge(parts: list[Counted]) -> Counted:
    """Several histograms as one."""
    values = np.concatenate([part[0] for part in parts])
    counts = np.concatenate([part[1] for part in parts])
    order = np.argsort(values, kind="stable")
    return values[order], counts[order]


def percentiles(counted: Counted, at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Latencies at the fractions ``at`` (0 to 1)."""
    values, counts = counted
    cumulated = np.cumsum(counts)
    index = np.searchsorted(cumulated, np.ceil(at * cumulated[-1]), side="left")
    result: npt.NDArray[np.float64] = values[np.minimum(index, len(values) - 1)]
    return result
