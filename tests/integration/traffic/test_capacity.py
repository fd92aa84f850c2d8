"""A capacity searched between pods of a real lab."""

from collections.abc import Iterator

import numpy as np
import pytest

from harness.lab.port import Lab
from harness.model.bench import LoadKind, LoadPoint, Search
from harness.traffic import nginx, registered
from harness.traffic.port import LoadFailed

PORT = 8080


class Gauge:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def begin(self) -> None:
        self.calls.append("begin")

    def end(self) -> None:
        self.calls.append("end")


@pytest.fixture(scope="module")
def served(pair_lab: Lab) -> Iterator[Lab]:
    with nginx.serve(pair_lab.pod("shop/server"), PORT, pair_lab.folder):
        yield pair_lab


def searched(lab: Lab, goal: Search) -> dict[str, float]:
    gauge = Gauge()
    point = LoadPoint("top", LoadKind.CAPACITY, 15, 0.05, connections=16, search=goal)
    load = registered()["capacity"]
    result = load.run(lab.pod("shop/client"), lab.pod("shop/server"), PORT, point, 0, gauge)
    assert gauge.calls == ["begin", "end"]
    assert result.count > 0
    return {metric.name: metric.value for metric in result.metrics}


def test_an_objective_that_always_holds_gives_at_least_the_highest_rate(served: Lab) -> None:
    found = searched(served, Search(50, 2.0, lowest=100, highest=1000, trial=0.2, width=0.2))
    assert found["capacity"] == pytest.approx(1000)
    assert found["capacity_at_least"] == 1
    assert found["capacity_upper"] == np.inf


def test_an_objective_that_ends_somewhere_is_found_between_the_bounds(served: Lab) -> None:
    found = searched(served, Search(90, 0.02, lowest=50, highest=200_000, trial=0.2, width=0.2))
    assert 50 <= found["capacity"] < 200_000
    assert found["capacity_trials"] >= 3
    assert found["capacity_upper"] > found["capacity"]


def test_an_objective_that_never_holds_says_which_rate_to_begin_at(served: Lab) -> None:
    with pytest.raises(LoadFailed, match=r"no rate is known|try a lowest below"):
        searched(served, Search(99.9, 0.000001, lowest=100, highest=1000, trial=0.2, width=0.2))
