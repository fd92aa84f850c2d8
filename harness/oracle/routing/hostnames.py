"""Host names of listeners and routes, with a wildcard as their first label or without one.

Source: ``Hostnames`` of ``HTTPRouteSpec`` and ``Hostname`` of ``Listener`` in the reference of Gateway API.
"""

from collections.abc import Sequence

_WILDCARD = "*."

Specificity = tuple[int, int]
"""Characters in a matching host name without a wildcard, then in any matching host name; the larger, the more specific."""


def matches(pattern: str, host: str) -> bool:
    """Whether a request's ``host`` (in lower case, without its port) is one that ``pattern`` means."""
    if pattern.startswith(_WILDCARD):
        return host.endswith(pattern[1:])  # the dot included: not the domain itself
    return pattern == host


def intersect(one: str, other: str) -> bool:
    """Whether some host is meant by both."""
    if one.startswith(_WILDCARD) and other.startswith(_WILDCARD):
        return one.endswith(other[1:]) or other.endswith(one[1:])
    return matches(one, other) or matches(other, one)


def any_intersect(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether lists of host names, which mean all hosts if they are empty, have a host in common."""
    return not some or not others or any(intersect(one, other) for one in some for other in others)


def within(listener: str | None, hostnames: Sequence[str] | None) -> tuple[str, ...] | None:
    """What a route's host names mean at a listener, as patterns of which a host must match one; None if nothing.

    An empty tuple means all hosts.
    """
    if not hostnames:
        return () if listener is None else (listener,)
    if listener is None:
        return tuple(hostnames)
    common = tuple(_common(listener, each) for each in hostnames if intersect(listener, each))
    return common or None


def _common(listener: str, hostname: str) -> str:
    """Of two that intersect, the one that is inside the other."""
    if not listener.startswith(_WILDCARD):
        return listener
    if not hostname.startswith(_WILDCARD):
        return hostname
    return max(listener, hostname, key=len)


def specificity(hostnames: Sequence[str] | None, host: str) -> Specificity | None:
    """How specific the best of a route's host names is that matches; none means any host. None where none matches."""
    if not hostnames:
        return (0, 0)
    found = [(0 if each.startswith(_WILDCARD) else len(each), len(each)) for each in hostnames if matches(each, host)]
    return max(found, default=None)
