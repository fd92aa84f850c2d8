"""Known effects: what a campaign injected itself, and whether its figures say so."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from statistics import median

import pandas as pd

from harness.judge.family import simultaneous
from harness.model.bench import KNOWN_EFFECTS

DELAYS, BURN, LOSS = "delays", "burn", "loss"  # their loads
SERVER = "server"  # the component beside which processor time is burnt
LEVEL = 0.99  # of all intervals together
ROUNDING = 1e-9  # of a ratio of counts or of bills: figures without any spread have an interval of one point
DIGITS = 1e-3  # of a ratio of latencies, which are kept to three significant digits: no interval of them is finer


@dataclass(frozen=True, slots=True)
class Effect:
    """What is injected. ``truth`` is in ``unit``. A delay is of requests of one ``form``; ``base`` are like them without it.

    ``exact``: how much of itself a ratio of such figures may be off by how they are written down.
    """

    id: str
    text: str
    load: str
    metric: str
    unit: str
    truth: float
    form: str = ""
    base: str = ""
    exact: float = ROUNDING


EFFECTS = (
    Effect("delay-100us", "each answer 100 µs later", DELAYS, "latency_p50", "s", 100e-6, "100us-later", "100us-base", DIGITS),
    Effect("delay-1ms", "each answer 1 ms later", DELAYS, "latency_p50", "s", 1e-3, "1ms-later", "1ms-base", DIGITS),
    Effect("burn", "20 % more processor time in the server", BURN, "cpu_per_request_on", "s", 0.2),
    Effect("loss", "every 100th packet with a request lost", LOSS, "late_share", "1", 0.01),
)


@dataclass(frozen=True, slots=True)
class KnownEffect:
    """A row of run.json. ``estimate`` is found/expected over blocks, 1 where the effect was recovered exactly.

    ``found`` and ``expected`` are medians over blocks of ``metric``, in its unit. The interval holds for all effects together
    with confidence ``level``, and is no finer than the figures themselves. ``recovered``: the interval holds 1.
    """

    id: str
    text: str
    scenario: str
    load: str
    metric: str
    unit: str
    truth: float
    found: float
    expected: float
    estimate: float
    low: float
    high: float
    level: float
    blocks: int
    recovered: bool


def known_effects(figures: pd.DataFrame, effects: Sequence[Effect] = EFFECTS) -> list[KnownEffect]:
    """Each effect as a campaign's figures have it. Void cells are left out; with fewer than six others none is recovered."""
    counted = figures[figures["void"].isna() & (figures["scenario"] == KNOWN_EFFECTS)]
    pairs = [_pairs(counted[counted["load"] == effect.load], effect) for effect in effects]
    intervals = simultaneous([[found / expected for found, expected in each] for each in pairs], LEVEL)
    return [
        KnownEffect(
            effect.id, effect.text, KNOWN_EFFECTS, effect.load, effect.metric, effect.unit, effect.truth,
            median(found for found, _ in each) if each else nan, median(expected for _, expected in each) if each else nan,
            interval.estimate, low := interval.low * (1 - effect.exact), high := interval.high * (1 + effect.exact),
            LEVEL if interval.level else 0.0, interval.blocks, bool(low <= 1 <= high),
        )
        for effect, each, interval in zip(effects, pairs, intervals, strict=True)
    ]  # fmt: skip


def _pairs(figures: pd.DataFrame, effect: Effect) -> list[tuple[float, float]]:
    """What each block found, and what it should have found."""
    found = []
    for _, rows in figures.groupby("block"):
        values = {(str(name), str(part)): float(value) for name, part, value in rows[["metric", "component", "value"]].values}
        try:
            found.append(_pair(values, effect))
        except KeyError:
            continue  # a block without such figures counts as one that is missing
    return found


def _pair(values: dict[tuple[str, str], float], effect: Effect) -> tuple[float, float]:
    if effect.load == DELAYS:
        return values[effect.metric, effect.form], values[effect.metric, effect.base] + effect.truth
    if effect.load == BURN:
        # of what the survey found that the server uses; in this block it may use more or less
        burnt = values["server_share", ""] * effect.truth * values["elapsed_per_request_on", ""]
        return values[effect.metric, SERVER], values["cpu_per_request_off", SERVER] + burnt
    # A lost packet is sent again, and counted again: of N requests and L losses N + L packets are counted.
    return values[effect.metric, ""], effect.truth / (1 - effect.truth)
