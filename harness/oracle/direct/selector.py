"""Whether labels satisfy a selector.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from collections.abc import Callable, Mapping

from harness.model.policy import LabelSelector, Requirement


def _as_written(key: str) -> str:
    return key


def satisfies(labels: Mapping[str, str], selector: LabelSelector, plain: Callable[[str], str] = _as_written) -> bool:
    """Whether all requirements hold; ``plain`` turns a key as written into a label's key."""
    return all(labels.get(plain(key)) == value for key, value in selector.match_labels.items()) and all(
        _holds(labels, plain(each.key), each) for each in selector.match_expressions
    )


def _holds(labels: Mapping[str, str], key: str, requirement: Requirement) -> bool:
    match requirement.operator:
        case "In":
            return key in labels and labels[key] in requirement.values
        case "NotIn":
            return key not in labels or labels[key] not in requirement.values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"no such operator: {requirement.operator}")
