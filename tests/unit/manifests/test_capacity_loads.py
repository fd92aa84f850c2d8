"""Loads of kind capacity, as scenarios write them."""

import pytest
from pydantic import ValidationError

from harness.manifests.bench import load_bench
from harness.manifests.loads import LoadShape, load_points
from harness.manifests.place import SCENARIOS
from harness.model.bench import LoadKind, Search, Share

WRITTEN = {
    "kind": "capacity", "objective": {"percent": 95, "within": 0.005}, "seconds": 8, "connections": 8,
    "search": {"lowest": 100, "highest": 9000, "trial": 0.5, "width": 0.1, "shares": 0.4},
}  # fmt: skip


def test_a_capacity_is_followed_by_latency_at_shares_of_it() -> None:
    top, *shares = load_points({"top": LoadShape.model_validate(WRITTEN)})
    assert (top.kind, top.seconds) == (LoadKind.CAPACITY, 8)
    assert top.search == Search(95, 0.005, 100, 9000, 0.5, 0.1)
    assert [(each.name, each.share) for each in shares] == [(f"top-{p}", Share("top", p / 100)) for p in (10, 50, 90)]
    assert {(each.kind, each.seconds, each.connections, each.search) for each in shares} == {(LoadKind.LATENCY, 0.4, 8, None)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"objective": None}, "a capacity is the highest rate that meets one"),
        ({"rate": 1000}, "remove the rate"),
        ({"kind": "maximum", "search": None}, "a maximum load is not searched"),
        ({"kind": "maximum", "objective": None}, "a maximum load is not searched"),
        ({"search": {"lowest": 900, "highest": 900}}, "want more than lowest"),
        ({"objective": {"percent": 100, "within": 1}}, "less than 100"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LoadShape.model_validate({**WRITTEN, **change})


def test_the_shipped_scenarios_search_on_both_paths_and_are_not_in_a_default_campaign() -> None:
    shipped = load_bench([SCENARIOS / "capacity"])
    assert {scenario.same_node for scenario in shipped} == {True, False}
    assert not {scenario.name for scenario in load_bench()} & {scenario.name for scenario in shipped}
    assert all(
        [load.name for load in each.loads if load.share] == ["capacity-10", "capacity-50", "capacity-90"] for each in shipped
    )
