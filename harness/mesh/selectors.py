"""Which labels a selector matches.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ and the label selector of meta/v1.
"""

from collections.abc import Mapping

from harness.model.policy import LabelSelector, Requirement


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether all of a selector's requirements hold; the empty selector matches everything."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    present = requirement.key in labels
    match requirement.operator:
        case "In":
            return present and labels[requirement.key] in requirement.values
        case "NotIn":
            return not present or labels[requirement.key] not in requirement.values
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
    raise ValueError(f"operator {requirement.operator!r} is none of In, NotIn, Exists, DoesNotExist")
