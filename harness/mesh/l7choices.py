"""Routes of a Service as the kernel asks them (bpf/l7_route.h): a trie of paths, with a list of choices at each.

What the kernel cannot ask is never left out: a choice that asks the rest then makes requests the proxy's. Requests whose path
the kernel does not take (an escape, say, or one that is longer than its keys) never come here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from harness.mesh.l7fronts import Asked, End, Front, FrontRoute
from harness.mesh.l7law import Target
from harness.mesh.l7layout import (
    HEADER_BITS,
    NAME_BYTES,
    PATH_BYTES,
    ROUTE_BACKENDS,
    ROUTE_CHOICES,
    ROUTE_SETS,
    VALUE_BYTES,
    RequestRule,
    SlowRoute,
)

Rules = frozenset[RequestRule]
_METHOD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked of a request, and what becomes of one that meets it: the proxy's, for the reason ``slow``, or a backend's.

    ``headers`` are bits. A request has to meet a rule of each of ``sets``; it goes to one of ``shares``, by their weights.
    """

    method: bytes = b""
    headers: int = 0
    query: bool = False
    slow: SlowRoute | None = None
    sets: tuple[Rules, ...] = ()
    shares: tuple[tuple[int, End], ...] = ()

    @property
    def open(self) -> bool:
        """Whether every request meets it."""
        return not (self.method or self.headers or self.query)


@dataclass(frozen=True, slots=True)
class Table:
    """``paths`` are keys of the trie, without the table's number; ``headers``: names, with values or None for any, and bits."""

    paths: tuple[tuple[bytes, tuple[Choice, ...]], ...]
    headers: tuple[tuple[tuple[str, str | None], int], ...]


class Plan:
    """What of a front is the same for all clients."""

    def __init__(self, front: Front) -> None:
        bits: dict[tuple[str, str | None], int] = {}
        self._routes = front.routes
        self._asked = [_asked(route.asked, bits) for route in front.routes]
        self.headers = tuple(bits.items())
        self._at = self._positions()
        self._lengths = sorted({len(key) for key in self._at})
        self._paths = [(key, self._meant(key)) for key in self._at]

    def _positions(self) -> Mapping[bytes, list[int]]:
        """Where in the list the matches of each path stand. One that is too long for a key no request of the kernel's has."""
        found: dict[bytes, list[int]] = {b"": []}
        for position, route in enumerate(self._routes):
            key = route.asked.path.encode() + (b"\0" if route.asked.exact else b"")
            if len(key) <= PATH_BYTES:
                found.setdefault(key, []).append(position)
        return found

    def _meant(self, key: bytes) -> list[int]:
        """The routes that may mean requests whose most specific path this is: those of all its beginnings."""
        beginnings = (key[:length] for length in self._lengths if length <= len(key))
        return sorted(position for each in beginnings for position in self._at.get(each, ()))

    def table(self, client: str, target: Callable[[str, End], Target | None]) -> Table:
        """For ``client``. ``target`` says what policies ask of its requests to a pod, None where they may refuse any."""
        choices = [_choice(route, asked, client, target) for route, asked in zip(self._routes, self._asked, strict=True)]
        return Table(tuple((key, _list(choices[each] for each in meant)) for key, meant in self._paths), self.headers)


def alias(shares: tuple[tuple[int, End], ...]) -> list[tuple[End, End, int]]:
    """Of equal parts of all requests one each: who gets it up to a threshold in 2**32, who what is left, and the threshold.

    Source: Walker's alias method, as Vose builds it (https://doi.org/10.1109/32.92917), in whole numbers.
    """
    weights: defaultdict[End, int] = defaultdict(int)
    for weight, end in shares:
        weights[end] += weight
    ends, total = list(weights), sum(weights.values())
    left = {end: weights[end] * len(ends) for end in ends}
    small, large = [end for end in ends if left[end] < total], [end for end in ends if left[end] >= total]
    found: dict[End, tuple[End, End, int]] = {}
    while small:
        end, other = small.pop(), large[-1]
        found[end] = (end, other, (left[end] << 32) // total)
        left[other] -= total - left[end]
        if left[other] < total:
            small.append(large.pop())
    found.update({end: (end, end, 0) for end in large})
    return [found[end] for end in ends]


def _asked(asked: Asked, bits: dict[tuple[str, str | None], int]) -> Choice:
    """What of a match the kernel asks; ``bits`` of headers are given out as they are met."""
    needed, certain = 0, asked.certain
    for name, value in asked.headers:
        if len(name) > NAME_BYTES:
            certain = False
            continue
        for header in ((name, None), (name, value)):
            if header not in bits and (len(bits) == HEADER_BITS or len((header[1] or "").encode()) > VALUE_BYTES):
                certain = False
            else:
                needed |= bits.setdefault(header, 1 << len(bits))
    method = asked.method.encode()
    if len(method) > _METHOD_BYTES:
        method, certain = b"", False
    return Choice(method, needed, asked.query, None if certain else SlowRoute.MATCH)


def _choice(route: FrontRoute, asked: Choice, client: str, target: Callable[[str, End], Target | None]) -> Choice:
    slow = asked.slow or route.slow
    ends = dict.fromkeys(end for _, end in route.shares)
    if slow is None and any(address == client for address, _ in ends):
        slow = SlowRoute.OWN
    targets = [target(client, end) for end in ends] if slow is None else []
    sets = dict.fromkeys(rules for each in targets if each for rules in (each.egress, each.ingress) if rules is not None)
    if None in targets:
        slow = SlowRoute.REFUSED
    elif slow is None and (len(ends) > ROUTE_BACKENDS or len(sets) > ROUTE_SETS):
        slow = SlowRoute.LARGE
    if slow is not None:
        return Choice(asked.method, asked.headers, asked.query, slow)
    return Choice(asked.method, asked.headers, asked.query, None, tuple(sets), route.shares)


def _list(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """Up to the first that every request meets; where there are too many, the last makes requests the proxy's."""
    found: list[Choice] = []
    for choice in choices:
        if len(found) == ROUTE_CHOICES:
            return (*found[:-1], Choice(slow=SlowRoute.LARGE))
        found.append(choice)
        if choice.open:
            break
    return tuple(found)
