"""Whether a campaign found what it put there itself, worded."""

from dataclasses import dataclass

from harness.report.quantity import quantity
from harness.report.run import KnownEffectRow, Run


@dataclass(frozen=True, slots=True)
class EffectLine:
    """A known effect, worded. ``ratio`` and ``interval`` are of found/expected; ``outcome`` is a word."""

    text: str
    injected: str
    expected: str
    found: str
    ratio: str
    interval: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Told:
    """The part of the report on known effects."""

    sentence: str
    lines: list[EffectLine]


def told(run: Run) -> Told:
    """What the report says of known effects."""
    return Told(known_effects_sentence(run), effect_lines(run))


def effect_lines(run: Run) -> list[EffectLine]:
    """Every known effect of the run, in the run's order."""
    return [
        EffectLine(
            row.text, _amount(row, row.truth, injected=True), _amount(row, row.expected), _amount(row, row.found),
            "none" if row.estimate is None else f"{row.estimate:.3f}", _interval(row),
            "recovered" if row.recovered else "not recovered",
        )
        for row in run.known_effects
    ]  # fmt: skip


def known_effects_sentence(run: Run) -> str:
    """One sentence for the terminal and the page."""
    if run.known_effects:
        lost = [row.text for row in run.known_effects if not row.recovered]
        if lost:
            return f"Known effects: not recovered: {'; '.join(lost)}. The campaign is void: its figures say nothing."
        return f"Known effects: all {len(run.known_effects)} that were injected were recovered."
    if run.known_effects_exempt:
        return f"Known effects: none were injected; {run.known_effects_exempt}."
    if run.scaling:
        return "Known effects: none were injected; lines through repeats call no data plane better or worse than another."
    return "Known effects: none were injected; this run was made by a version that did not."


def _amount(row: KnownEffectRow, value: float | None, *, injected: bool = False) -> str:
    """A share as a percentage; so is a burn, which is told as a part of what its server uses."""
    share = row.unit == "1" or (injected and row.metric.startswith("cpu"))
    return f"{100 * value:.3g} %" if share and value is not None else quantity(value, row.unit)


def _interval(row: KnownEffectRow) -> str:
    return "no interval" if row.bounds is None else "{:.3f} to {:.3f}".format(*row.bounds)
