"""A straight line through repeated measurements: what one more costs, with its interval, and how far points lie from it.

Ordinary least squares (``scipy.stats.linregress``), because its intercept, what there is before the first one, has an interval
as well as its slope; that of Theil and Sen has none. Intervals are Student's t over the repeats (docs/decisions/0111).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.stats import linregress, t

LEVEL = 0.95
MOST_RESIDUAL = 0.1
"""Of a point's own figure: where one lies further from the line, the points are said to lie on none."""

FEWEST = 3  # values, and different x: two always lie on a line
BAND_STEPS = 16


@dataclass(frozen=True, slots=True)
class Line:
    """``intercept + slope * x``, each with the interval that holds it with confidence ``level``, in the figures' unit.

    ``residual_max`` is the distance from the line, with its sign, of the point (the median of its repeats) that lies furthest
    from it as a share of its own figure, which is ``residual_share``; ``residual_at`` is that point. ``line``: whether that is
    little enough, and there are three different x at least. ``points`` counts repeats. ``band`` has, for some x, the interval
    of the line itself. With fewer than three values, or one x, there is no line: NaN, and ``level`` 0.
    """

    intercept: float
    intercept_low: float
    intercept_high: float
    slope: float
    slope_low: float
    slope_high: float
    level: float
    residual_max: float
    residual_share: float
    residual_at: float
    points: int
    line: bool = False
    band: tuple[tuple[float, float, float], ...] = ()


def line_through(values: Mapping[float, Sequence[float]]) -> Line:
    """The line through the repeats at each x. Values that are not finite are left out."""
    kept = {x: [y for y in some if math.isfinite(y)] for x, some in sorted(values.items())}
    pairs = [(x, y) for x, some in kept.items() for y in some]
    nan = math.nan
    if len(pairs) < FEWEST or len({x for x, _ in pairs}) < 2:
        return Line(nan, nan, nan, nan, nan, nan, 0.0, nan, nan, nan, len(pairs))
    xs, ys = np.array([x for x, _ in pairs], dtype=float), np.array([y for _, y in pairs], dtype=float)
    found = linregress(xs, ys)
    freedom = len(pairs) - 2
    residual, share, at = max(
        (_distance(x, median(some), found.intercept + found.slope * x) for x, some in kept.items() if some),
        key=lambda each: each[1],
    )
    grid = np.unique(np.concatenate([np.linspace(0, xs.max(), BAND_STEPS), xs]))
    return Line(
        float(found.intercept),
        *_interval(found.intercept, found.intercept_stderr, freedom),
        float(found.slope),
        *_interval(found.slope, found.stderr, freedom),
        LEVEL,
        residual,
        share,
        at,
        points=len(pairs),
        line=share <= MOST_RESIDUAL and len(set(xs.tolist())) >= FEWEST,
        band=tuple(_at(float(x), xs, ys) for x in grid),
    )


def _interval(estimate: float, error: float, freedom: int) -> tuple[float, float]:
    if not error > 0:  # all repeats on the line, where scipy's error is 0 or NaN: there is nothing to doubt
        return float(estimate), float(estimate)
    low, high = t.interval(LEVEL, freedom, loc=estimate, scale=error)
    return float(low), float(high)


def _distance(x: float, found: float, fitted: float) -> tuple[float, float, float]:
    away = found - fitted
    return float(away), float(abs(away / found)) if found else (math.inf if away else 0.0), float(x)


def _at(
    x: float, xs: "np.ndarray[tuple[int], np.dtype[np.float64]]", ys: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> tuple[float, float, float]:
    """The interval of the line at ``x``: that of the intercept where x is counted from there."""
    here = linregress(xs - x, ys)
    return (x, *_interval(here.intercept, here.intercept_stderr, len(xs) - 2))
