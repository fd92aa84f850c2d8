"""Figures as people read them: a number with the prefix that fits, and no more digits than it carries."""

import math
from dataclasses import dataclass

_SCALES: dict[str, list[tuple[float, str]]] = {
    "s": [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
    "bit/s": [(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s")],
    "B": [(2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")],
}
_UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Scale:
    """A unit to show figures in: value / ``factor`` is in ``unit``."""

    factor: float
    unit: str

    @property
    def suffix(self) -> str:
        """The unit as it follows a number: `` µs``, ``/s``, or nothing."""
        return self.unit if not self.unit or self.unit.startswith("/") else f" {self.unit}"

    def number(self, value: float) -> str:
        """The figure without its unit."""
        return digits(value / self.factor)


def scale_for(unit: str, largest: float) -> Scale:
    """The prefix in which ``largest`` (in ``unit``) has one to three digits before the point."""
    steps = _SCALES.get(unit)
    if steps is None:
        return Scale(1.0, {"1/s": "/s", "1": "", "ratio": "", "requests": ""}.get(unit, unit))
    for factor, name in steps:
        if abs(largest) >= factor * 0.9995:
            return Scale(factor, name)
    return Scale(*steps[-1])


def digits(value: float) -> str:
    """Three significant digits, thousands separated: 0.0123, 1.23, 12.3, 123, 12,300."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    magnitude = abs(rounded)
    if magnitude >= 100:
        return f"{rounded:,.0f}"
    if magnitude >= 10:
        return f"{rounded:.1f}"
    if magnitude >= 1:
        return f"{rounded:.2f}"
    return f"{rounded:.3g}"


def quantity(value: float | None, unit: str) -> str:
    """``1.23e-4, "s"`` as ``123 µs``; None as "not measured", infinity as "no answer"."""
    if value is None:
        return _UNKNOWN
    if math.isinf(value):
        return "no answer"
    scale = scale_for(unit, value)
    return f"{scale.number(value)}{scale.suffix}"


def interval(bounds: tuple[float, float] | None, unit: str) -> str:
    """``99.0 to 105 µs`` in one unit; "no interval" where the blocks were too few for one."""
    if bounds is None:
        return "no interval"
    low, high = bounds
    if math.isinf(high):
        return f"{quantity(low, unit)} or more" if math.isfinite(low) else quantity(low, unit)
    scale = scale_for(unit, max(abs(low), abs(high)))
    return f"{scale.number(low)} to {scale.number(high)}{scale.suffix}"


def ratio(value: float | None) -> str:
    """A ratio with two decimals below 10, so that 1.00 and 1.05 line up; a third where two would hide the side of 1."""
    if value is None:
        return _UNKNOWN
    if math.isinf(value):
        return "unbounded"
    if value != 1 and f"{value:.2f}" == "1.00":
        return f"{value:.3f}"
    return f"{value:.2f}" if abs(value) < 9.995 else digits(value)


def ratio_interval(bounds: tuple[float, float] | None) -> str:
    """``0.99 to 1.05``; "no interval" where the blocks were too few for one."""
    if bounds is None:
        return "no interval"
    low, high = bounds
    if math.isinf(high):
        return f"{ratio(low)} or more" if math.isfinite(low) else "unbounded"
    return f"{ratio(low)} to {ratio(high)}"


def duration(seconds: float) -> str:
    """``9 min 5 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
