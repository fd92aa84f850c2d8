"""A table of routes read as bpf/l7_route.h reads it."""

from collections.abc import Sequence

from harness.mesh.l7choices import Choice, Table, alias
from harness.mesh.l7fronts import End
from harness.mesh.l7layout import RequestRule, SlowRoute

Headers = Sequence[tuple[str, str]]


def decide(table: Table, method: str, target: str, headers: Headers) -> Choice:
    """What becomes of a request; the proxy's are choices with ``slow``. ``headers`` include Host."""
    path, query, _ = target.partition("?")
    sought = path.encode() + b"/\0"
    meant = {key: choices for key, choices in table.paths if sought.startswith(key)}
    told, twice = _told(table, headers)
    if meant and not twice:
        for choice in meant[max(meant, key=len)]:
            if choice.method in (b"", method.encode()) and not choice.headers & ~told and (query or not choice.query):
                return choice
    return Choice(slow=SlowRoute.MATCH if twice else SlowRoute.ANSWERED)


def _told(table: Table, headers: Headers) -> tuple[int, bool]:
    bits, told, twice = dict(table.headers), 0, False
    for name, value in headers:
        there = bits.get((name.lower(), None), 0)
        twice |= bool(told & there)
        told |= there | (bits.get((name.lower(), value), 0) if there else 0)
    return told, twice


def takes(rules: frozenset[RequestRule], method: str, target: str) -> bool:
    """Whether a rule of a set takes a request."""
    return any(
        rule.method in (b"", method.encode())
        and (target.encode().startswith(rule.path) if rule.prefix else target.encode() == rule.path)
        for rule in rules
    )


def odds(shares: tuple[tuple[int, End], ...]) -> dict[End, float]:
    """How likely each backend is drawn."""
    found: dict[End, float] = {}
    slots = alias(shares)
    for own, other, threshold in slots:
        found[own] = found.get(own, 0.0) + threshold / 2**32 / len(slots)
        found[other] = found.get(other, 0.0) + (1 - threshold / 2**32) / len(slots)
    return found
