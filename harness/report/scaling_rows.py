"""The rows of ``run.json`` that say how cost grows: those of ``meshproof scale``."""

from harness.report.row import Number, Row


class ScalingRow(Row):
    """A scenario of ``meshproof scale``: what is varied over which ``points``; its cells are ``name/POINT``."""

    name: str
    title: str
    why: str
    vary: str
    points: list[float] = []
    dataplanes: list[str] = []
    measure: list[str] = []
    blocks: int = 0


class FitRow(Row):
    """What one more of ``x`` costs: a straight line through the repeats (``values``) at each of ``x_values``, in ``unit``.

    ``level`` 0 or null: there were too few figures for a line. ``line`` says whether the points lie on it: the one furthest
    from it as a share of its own figure is ``residual_share`` (0.1: 10 %) away, that is ``residual_max``, and is at
    ``residual_at``. ``band`` has x and the interval of the line there. Negative bounds are possible.
    """

    id: str
    scenario: str = ""
    title: str
    dataplane: str
    metric: str
    unit: str
    x: str
    x_values: list[float]
    values: list[list[float]] = []
    intercept: Number
    intercept_low: Number
    intercept_high: Number
    slope: Number
    slope_low: Number
    slope_high: Number
    level: Number
    residual_max: Number
    residual_share: Number
    residual_at: Number = None
    points: int
    condition: str
    line: bool = False
    band: list[tuple[float, float, float]] = []
