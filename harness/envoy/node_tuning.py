"""Everything about a node's Envoy that may be chosen, in one value."""

from dataclasses import dataclass

from harness.envoy.tuning import EnvoyTuning, chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTuning(EnvoyTuning):
    """Settings of the Envoy of a node.

    ``normalize_path`` has it judge and pass on paths as Cilium's agent does unless told otherwise
    (``--http-normalize-path``): RFC 3986's normal form, adjacent slashes merged, and escaped slashes answered by a redirect.
    ``idle_timeout`` has it close connections on which there was no request for an hour. ``retries`` as for a sidecar. ``flows``
    has it write a line for each request, for who makes flow events of them.
    """

    retries: int = 2
    normalize_path: bool = True
    idle_timeout: bool = True
    flows: bool = False


DEFAULTS = NodeTuning()
NAMED = {"defaults": DEFAULTS}


def parse(settings: str) -> NodeTuning:
    """Settings as a user writes them: ``defaults``, or changes to them as ``name=value,…``. Raises ValueError."""
    return chosen(settings, DEFAULTS, NAMED)
