import pytest

from harness.mesh.selectors import matches
from harness.model.policy import LabelSelector, Requirement

LABELS = {"app": "web", "tier": "front"}


def expression(operator: str, *values: str, key: str = "app") -> LabelSelector:
    return LabelSelector(match_expressions=(Requirement(key, operator, values),))


def test_the_empty_selector_matches_everything() -> None:
    assert matches(LabelSelector(), {})
    assert matches(LabelSelector(), LABELS)


def test_all_labels_have_to_match() -> None:
    assert matches(LabelSelector({"app": "web", "tier": "front"}), LABELS)
    assert not matches(LabelSelector({"app": "web", "tier": "back"}), LABELS)
    assert not matches(LabelSelector({"app": "web", "zone": "a"}), LABELS)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (expression("In", "web", "db"), True),
        (expression("In", "db"), False),
        (expression("In", "x", key="absent"), False),
        (expression("NotIn", "db"), True),
        (expression("NotIn", "web"), False),
        (expression("NotIn", "x", key="absent"), True),
        (expression("Exists"), True),
        (expression("Exists", key="absent"), False),
        (expression("DoesNotExist"), False),
        (expression("DoesNotExist", key="absent"), True),
    ],
)
def test_each_operator(selector: LabelSelector, expected: bool) -> None:
    assert matches(selector, LABELS) is expected


def test_expressions_and_labels_are_anded() -> None:
    both = LabelSelector({"tier": "front"}, (Requirement("app", "In", ("db",)),))
    assert not matches(both, LABELS)


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="'Gt' is none of In, NotIn"):
        matches(expression("Gt", "1"), LABELS)
