"""Values without the places where they were written: by those alone a policy may differ from its manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass

from harness.model.origin import Origin


def placeless(value: object) -> object:
    if is_dataclass(value):
        kept = {each.name: getattr(value, each.name) for each in fields(value)}
        return type(value).__name__, {name: placeless(part) for name, part in kept.items() if not isinstance(part, Origin)}
    if isinstance(value, Mapping):
        return {name: placeless(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [placeless(part) for part in value]
    return value
