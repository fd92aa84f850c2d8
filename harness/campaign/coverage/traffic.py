"""The classes of BackendTrafficPolicies that requests to Services are under: what is written in them, and about what."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from harness.model.routed import Asked, RoutedExpectation
from harness.model.traffic import BackendTrafficPolicy

_APART = ("origin", "name", "namespace", "targets", "created")


def policy_class(policy: BackendTrafficPolicy) -> str:
    """Which fields a policy has, and of what kind of value."""
    kinds = " and ".join(sorted({each.kind for each in policy.targets}))
    return f"{', '.join(_written(policy))} of {kinds}"


def _written(value: object, path: str = "") -> Iterator[str]:
    """The fields that are written below a value; entries of a list one by one."""
    if isinstance(value, tuple):
        for each in value:
            yield from _written(each, path)
    elif is_dataclass(value):
        for field in fields(value):
            held = getattr(value, field.name)
            if field.name not in _APART and held is not None:
                yield from _written(held, f"{path}.{field.name}" if path else field.name)
    elif isinstance(value, bool) or (isinstance(value, str) and not value[:1].isdigit()):
        yield f"{path} {value}"
    else:
        yield f"{path} of zero" if value in (0, 0.0, "0s") else path


def asked_how(expectation: RoutedExpectation) -> str:
    """How a request is asked beside others, and what is looked at beside who gets it."""
    asked: Asked = expectation.asked
    said = [
        *(["at one time"] * asked.together),
        *(["several times"] * (asked.times > 1 and not asked.together)),
        *(["after a while"] * bool(asked.after)),
        *(["of one pod's server"] * (asked.told.only is not None)),
        *(["counted"] * any(share.count is not None for share in expectation.shares)),
        *(["timed"] * any(share.at_least or share.before for share in expectation.shares)),
        *(["by connection"] * (expectation.per_connection is not None)),
    ]
    return " and ".join(said) or "once"
