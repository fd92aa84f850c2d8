"""Samples and histograms of a run's folder."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from hdrh.histogram import HdrHistogram
from pyarrow import compute, parquet

from harness.report.run import RunError

SAMPLE_COLUMNS = (
    "block", "order", "scenario", "load", "kind", "arm", "dataplane", "metric", "component", "unit", "value", "void",
)  # fmt: skip
"""``samples.parquet``: one row a figure of a cell; ``void`` says why the cell does not count, else null."""

HISTOGRAM_COLUMNS = ("block", "scenario", "load", "arm", "dataplane", "histogram")
"""``histograms.parquet``: ``histogram`` is HDR-encoded (V2, base64), its values in ns from the intended send time."""

_NAMES = ["scenario", "load", "arm"]
_CELL = ["block", *_NAMES]
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
        left_out = compute.is_valid(samples["void"])
        if "pooled" in samples.column_names:  # of a machine unlike the run's: it enters ratios only, and no absolute figure
            left_out = compute.or_(left_out, compute.invert(samples["pooled"]))
        void = _cells(samples.filter(left_out))
        self._values = _by_figure(samples.filter(compute.and_not(compute.is_valid(samples["value"]), left_out)))
        self._histograms: dict[tuple[str, str, str], list[str | bytes]] = {}
        columns = (histograms[name].to_pylist() for name in (*_CELL, "histogram"))
        for block, scenario, load, arm, encoded in zip(*columns, strict=True):
            if (block, scenario, load, arm) not in void:
                self._histograms.setdefault((scenario, load, arm), []).append(encoded)

    def blocks(self, scenario: str, load: str, arm: str, metric: str, component: str = "") -> list[float]:
        """The figure of each block; empty where there is none."""
        values = self._values.get((scenario, load, arm, metric, component), np.empty(0))
        return [float(value) for value in values[np.isfinite(values)]]

    def curves(self, scenario: str, load: str, arms: list[str]) -> dict[str, list[Counted]]:
        """The histograms of each arm that has any, block by block."""
        decoded = {arm: [decode(text) for text in self._histograms.get((scenario, load, arm), ())] for arm in arms}
        return {arm: [block for block in blocks if block[1].sum()] for arm, blocks in decoded.items() if blocks}


def _read(file: Path, columns: tuple[str, ...], wanted: list[str]) -> pa.Table:
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
        with parquet.ParquetFile(file, read_dictionary=repeated) as stored:  # read_table loads pandas, and all of Arrow
            return stored.read(wanted).unify_dictionaries()
    except (OSError, ValueError) as fault:
        raise RunError(f"{file}: not a Parquet file that can be read: {fault}") from fault


def _cells(samples: pa.Table) -> set[tuple[Any, ...]]:
    """The cells that rows are of: their block, then their names."""
    if not len(samples):
        return set()
    blocks = _array(samples["block"].combine_chunks())
    numbers, names = _numbered(samples, _NAMES)
    count = int(blocks.max()) + 1
    found, own = np.divmod(np.unique(numbers * count + blocks), count)
    return {(int(block), *cell) for block, cell in zip(own, _named(found, names), strict=True)}


def _by_figure(samples: pa.Table) -> dict[tuple[str, ...], npt.NDArray[np.float64]]:
    """The values of each figure, in the order of the rows."""
    if not len(samples):
        return {}
    figure, names = _numbered(samples, _FIGURE)
    order = np.argsort(figure, kind="stable")
    values = _array(samples["value"].combine_chunks())[order]
    found, starts = np.unique(figure[order], return_index=True)
    return dict(zip(_named(found, names), np.split(values, starts[1:]), strict=True))


def _numbered(table: pa.Table, columns: list[str]) -> tuple[npt.NDArray[np.int64], list[list[str]]]:
    """Each row's names as one number, in which each column counts as a digit does; and what the digits stand for.

    Numbers of millions of rows are soon sorted, and take little memory, as the names themselves would not.
    """
    numbers, names = np.zeros(len(table), dtype=np.int64), []
    for column in columns:
        coded = table[column].combine_chunks()
        known = coded.dictionary.to_pylist()
        numbers = numbers * len(known) + _array(coded.indices)
        names.append(known)
    return numbers, names


def _array(column: pa.Array) -> npt.NDArray[Any]:
    """The numbers themselves: Arrow's own way to numpy loads pandas first, which takes longer than all that is done here."""
    numbers: npt.NDArray[Any] = np.from_dlpack(column)
    return numbers


def _named(numbers: npt.NDArray[np.int64], names: list[list[str]]) -> list[tuple[str, ...]]:
    """The names that ``_numbered`` made each number of."""
    places = zip(*np.unravel_index(numbers, [len(known) for known in names]), strict=True)
    return [tuple(known[index] for known, index in zip(names, place, strict=True)) for place in places]


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
