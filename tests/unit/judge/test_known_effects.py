from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan

import numpy as np
import pandas as pd
import pytest

from harness.judge.known_effects import BURN, DELAYS, DIGITS, EFFECTS, LOSS, SERVER, Effect, known_effects
from harness.meters.latency import DIGITS as SIGNIFICANT
from harness.model.bench import KNOWN_EFFECTS

COLUMNS = ["block", "scenario", "load", "metric", "component", "value", "void"]
Cells = Mapping[str, Mapping[tuple[str, str], float]]


def cells(noise: float = 0.0, *, delayed: float = 1.0, burnt: float = 1.0, lost: float = 1.0) -> Cells:
    """A block's figures, off by ``noise``; what was injected shows itself so many times as large as it is."""
    late = 10 / 990
    return {
        DELAYS: {
            ("latency_p50", "100us-base"): 280e-6,
            ("latency_p50", "100us-later"): (280e-6 + delayed * 100e-6) * (1 + noise),
            ("latency_p50", "1ms-base"): 1.08e-3,
            ("latency_p50", "1ms-later"): (1.08e-3 + delayed * 1e-3) * (1 + noise),
        },
        BURN: {
            ("cpu_per_request_off", SERVER): 25e-6,
            ("cpu_per_request_on", SERVER): (25e-6 + burnt * 5e-6) * (1 + noise),
            ("elapsed_per_request_on", ""): 1 / 4000,
            ("server_share", ""): 0.1,
        },
        LOSS: {("late_share", ""): late * lost},
    }


def figures(blocks: Sequence[Cells], void: Mapping[int, str] | None = None) -> pd.DataFrame:
    rows = [
        (number, KNOWN_EFFECTS, load, metric, component, value, (void or {}).get(number))
        for number, block in enumerate(blocks, 1)
        for load, values in block.items()
        for (metric, component), value in values.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def noisy(seed: int = 1, **found: float) -> pd.DataFrame:
    return figures([cells(each, **found) for each in np.random.default_rng(seed).normal(0, 0.01, 10)])


def test_what_was_injected_is_recovered() -> None:
    rows = {row.id: row for row in known_effects(noisy())}
    assert list(rows) == [effect.id for effect in EFFECTS]
    assert all(row.recovered and row.blocks == 10 and row.level == 0.99 for row in rows.values())
    assert rows["delay-1ms"].expected == pytest.approx(2.08e-3)
    assert rows["burn"].expected == pytest.approx(30e-6)
    assert rows["loss"].expected == pytest.approx(1 / 99)
    assert rows["loss"].estimate == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("found", "lost"),
    [
        ({"delayed": 0.8}, {"delay-100us", "delay-1ms"}),
        ({"burnt": 0.0}, {"burn"}),
        ({"burnt": 2.0}, {"burn"}),
        ({"lost": 0.5}, {"loss"}),
    ],
)
def test_what_the_figures_do_not_show_is_not_recovered(found: dict[str, float], lost: set[str]) -> None:
    assert {row.id for row in known_effects(noisy(**found)) if not row.recovered} == lost


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.id)
def test_a_wrong_truth_is_found_out(effect: Effect) -> None:
    wrong = [replace(each, truth=each.truth * 1.5) if each is effect else each for each in EFFECTS]
    assert [row.id for row in known_effects(noisy(), wrong) if not row.recovered] == [effect.id]


def test_void_blocks_do_not_count_and_five_others_recover_nothing() -> None:
    blocks = [cells(0.001 * number) for number in range(9)]
    blocks[3] = cells(delayed=50.0, burnt=50.0, lost=50.0)
    assert all(row.recovered and row.blocks == 8 for row in known_effects(figures(blocks, {4: "the generator was late"})))
    few = known_effects(figures(blocks, dict.fromkeys(range(1, 5), "late")))
    assert not any(row.recovered for row in few)
    assert all(row.blocks == 5 and row.level == 0 and isnan(row.low) for row in few)


def test_a_campaign_without_their_figures_has_recovered_nothing() -> None:
    rows = known_effects(pd.DataFrame([], columns=COLUMNS))
    assert [row.id for row in rows] == [effect.id for effect in EFFECTS]
    assert not any(row.recovered for row in rows)


def test_requests_that_were_never_late_are_no_recovered_loss() -> None:
    (loss,) = (row for row in known_effects(figures([cells(lost=0.0)] * 10)) if row.id == "loss")
    assert not loss.recovered


def test_figures_that_are_all_alike_recover_only_what_is_exactly_there() -> None:
    alike = {row.id: row.recovered for row in known_effects(figures([cells(lost=1.1)] * 10))}
    assert alike == {"delay-100us": True, "delay-1ms": True, "burn": True, "loss": False}


def test_an_interval_is_no_finer_than_three_digits_of_a_latency() -> None:
    """In 27 blocks half a microsecond of 2 ms, less than a histogram tells apart, had made a campaign void."""
    rows = {row.id: row for row in known_effects(figures([cells(delayed=1.0006)] * 27))}
    assert rows["delay-1ms"].recovered
    assert rows["delay-1ms"].high - rows["delay-1ms"].low == pytest.approx(2e-3, rel=0.01)
    assert DIGITS == 10.0**-SIGNIFICANT
    assert not {row.id: row for row in known_effects(figures([cells(delayed=1.004)] * 27))}["delay-1ms"].recovered
