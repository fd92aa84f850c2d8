"""Everything about a node's Envoy that may be chosen, in one value."""

from dataclasses import dataclass

from harness.envoy.tuning import RequestTuning, chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTuning(RequestTuning):
    """Settings of the Envoy of a node."""


DEFAULTS = NodeTuning()
NAMED = {"defaults": DEFAULTS}


def parse(settings: str) -> NodeTuning:
    """Settings as a user writes them: ``defaults``, or changes to them as ``name=value,…``. Raises ValueError."""
    return chosen(settings, DEFAULTS, NAMED)
