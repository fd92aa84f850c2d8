from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from harness.judge.effects import effects
from harness.judge.estimates import Pair
from harness.judge.noise import NoiseFloor, noise_floors

PAIRS = [Pair("ebpf", "plain", None)]
STEADY = (1.0, 1.01, 0.99, 1.005, 0.995, 1.002, 1.0, 0.998, 1.001, 1.003)


def figures(arms: Mapping[str, Sequence[float]], metric: str = "latency_p50", kind: str = "latency") -> pd.DataFrame:
    rows = [
        (block, "http", "load", kind, arm, arm.partition("#")[0], metric, "", "s", value, None)
        for arm, values in arms.items()
        for block, value in enumerate(values, 1)
    ]
    columns = ["block", "scenario", "load", "kind", "arm", "dataplane", "metric", "component", "unit", "value", "void"]
    return pd.DataFrame(rows, columns=columns)


def floor(share: float) -> list[NoiseFloor]:
    return [NoiseFloor("http", "load", "latency_p50", share, 0.97)]


def times(factor: float) -> pd.DataFrame:
    return figures({"plain": STEADY, "ebpf": [factor * value for value in reversed(STEADY)]})


def test_an_effect_leaves_out_one_and_is_beyond_the_noise_floor() -> None:
    (found,) = effects(times(1.2), PAIRS, floor(0.05))
    assert found.different is True
    assert found.family_low is not None
    assert found.family_low > 1


def test_what_is_below_the_noise_floor_is_no_effect_however_narrow_its_interval() -> None:
    (found,) = effects(times(1.04), PAIRS, floor(0.05))
    assert found.family_low is not None
    assert found.family_low > 1
    assert found.different is False


def test_without_a_noise_floor_nothing_is_an_effect() -> None:
    assert effects(times(5), PAIRS, [])[0].different is False


def test_a_metric_that_is_no_headline_in_this_kind_of_load_is_not_judged() -> None:
    table = figures({"plain": STEADY, "ebpf": [2 * value for value in STEADY]}, "throughput", "latency")
    (found,) = effects(table, PAIRS, floor(0.05))
    assert (found.different, found.family_level) == (None, 0.0)


def test_five_blocks_are_too_few_for_a_verdict() -> None:
    table = figures({"plain": STEADY[:5], "ebpf": [2 * value for value in STEADY[:5]]})
    (found,) = effects(table, PAIRS, floor(0.05))
    assert (found.different, found.family_level) == (None, 0.0)


def test_campaigns_without_an_effect_find_one_no_oftener_than_they_say() -> None:
    generator = np.random.default_rng(5)
    pairs = [Pair(f"p{number}", "plain", None) for number in range(8)]
    alarms = 0
    for _ in range(100):
        arms = {
            name: np.exp(generator.normal(scale=0.05, size=10)) for name in ("plain", "plain#2", *(p.dataplane for p in pairs))
        }
        table = figures({name: list(values) for name, values in arms.items()})
        found = effects(table, pairs, list(noise_floors(table, "plain", "plain#2")))
        alarms += any(row.different for row in found)
    assert alarms <= 11  # five expected; more than eleven in one of a hundred tries
