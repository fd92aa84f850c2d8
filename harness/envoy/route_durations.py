"""Durations of Gateway API (GEP-2257) as those of protobuf's JSON form."""

import re

_PART = re.compile(r"([0-9]+)(ms|h|m|s)")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def seconds(written: str | None) -> str | None:
    """``1m30s`` as ``90.000s``; None for one that is not written, and for zero, which means none."""
    total = sum(int(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(written or ""))
    return f"{total // 1000}.{total % 1000:03d}s" if total else None
