"""What becomes of a request that a backend answers with an error, or late: the timeouts and retries of its rule.

Source: ``HTTPRouteTimeouts`` and ``HTTPRouteRetry`` in the reference of Gateway API, and GEP-1731.
"""

import re
from dataclasses import dataclass

from harness.model.route import Retry, Timeouts
from harness.model.routed import Told

GATEWAY_TIMEOUT = 504
_OK = 200
_PART = re.compile(r"([0-9]+)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True)
class Tries:
    """The status that the client gets, and how often the backend reads the request; ``unsaid``: why that is left open."""

    status: int
    count: int
    unsaid: str = ""


def tries(told: Told, timeouts: Timeouts | None, retry: Retry | None) -> Tries:
    """What the client gets from a backend that does what it is told. Without ``attempts`` there is one retry."""
    whole = _seconds(timeouts.request if timeouts else None)
    each = _seconds(timeouts.backend_request if timeouts else None)
    attempts = 0 if retry is None else 1 if retry.attempts is None else retry.attempts
    passed = 0.0
    count = 0
    while True:
        count += 1
        obeys = told.first is None or count <= told.first
        status, delay = (told.status, told.delay) if obeys else (_OK, 0.0)
        in_time = each is None or delay <= each
        passed += delay if in_time or each is None else each
        if whole is not None and passed > whole:
            return Tries(GATEWAY_TIMEOUT, count)
        if not in_time:
            left = "whether a try that took too long is done again is left open" if count <= attempts else ""
            return Tries(GATEWAY_TIMEOUT, count, left)
        if retry is None or status not in (retry.codes or ()) or count > attempts:
            return Tries(status, count)


def _seconds(written: str | None) -> float | None:
    """A duration of Gateway API (GEP-2257); None for one that is not written, and for zero, which means none."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(written or "")) or None
