"""Everything about a node's Envoy that may be chosen, in one value."""

from dataclasses import dataclass

from harness.envoy.tuning import chosen


@dataclass(frozen=True, slots=True)
class NodeTuning:
    """Settings of the Envoy of a node. Each field reaches Envoy's configuration or command line.

    ``concurrency`` is the number of its worker threads. ``normalize_path`` has it judge and pass on paths as Cilium's
    agent does unless told otherwise (``--http-normalize-path``): RFC 3986's normal form, adjacent slashes merged, and
    escaped slashes answered by a redirect. The other fields are those of the sidecars' ``Tuning``.
    """

    concurrency: int = 2
    normalize_path: bool = True
    access_log: bool = False
    all_statistics: bool = False
    exact_balance: bool = False
    buffer_bytes: int | None = None
    retries: int = 2
    drain_seconds: int = 1
    handover_seconds: int = 2


DEFAULTS = NodeTuning()
NAMED = {"defaults": DEFAULTS}


def parse(settings: str) -> NodeTuning:
    """Settings as a user writes them: ``defaults``, or changes to them as ``name=value,…``. Raises ValueError."""
    return chosen(settings, DEFAULTS, NAMED)
