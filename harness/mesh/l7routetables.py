"""Tables of routes in the kernel's maps (bpf/l7_route.h)."""

from collections.abc import Callable, Iterator

from harness.mesh.l7choices import Choice, Rules, Table, alias
from harness.mesh.l7fronts import End
from harness.mesh.l7layout import (
    CHOICE,
    COOKIE,
    HEADER_KEY,
    HEADER_THERE,
    PATH,
    PLACE,
    ROUTE_SETS,
    RULE_KEY,
    SHARE,
    packed_address,
)
from harness.mesh.maps import Map

MAPS = ("l7_choices", "l7_headers", "l7_paths", "l7_shares")
_METHOD = bytes(8)


class RouteTables:
    """Those that are in force, each once, by numbers that none before them had. Methods raise BpfError.

    Who reads one that is being taken away finds that out before it sends anything (``claim`` in bpf/l7_upstream.h).
    """

    def __init__(self, maps: dict[str, Map], numbers: Iterator[int], set_of: Callable[[Rules], int]) -> None:
        """``maps`` are those of ``MAPS``; ``set_of`` puts a set of rules in force, and says its number."""
        self._maps = maps
        self._numbers = numbers
        self._set_of = set_of
        self._tables: dict[Table, int] = {}
        self._shares: dict[tuple[tuple[int, End], ...], int] = {}
        self._held: list[tuple[str, bytes]] = []

    def number(self, table: Table) -> int:
        """Put it in force, if it is not yet."""
        if table not in self._tables:
            number = next(self._numbers)
            for (name, value), bit in table.headers:
                self._put("l7_headers", header_key(number, name, value), COOKIE.pack(bit))
            for path, choices in table.paths:
                listed = next(self._numbers)
                for index, choice in enumerate(choices):
                    self._put("l7_choices", PLACE.pack(listed, index), self._choice(choice))
                key = RULE_KEY.pack(8 * (4 + len(_METHOD) + len(path)), number, _METHOD, path)
                self._put("l7_paths", key, PATH.pack(listed, len(choices)))
            self._tables[table] = number  # only now: of one that had no room, a path that is missing would mean another
        return self._tables[table]

    def renewed(self) -> Callable[[], None]:
        """Begin anew; what is returned takes away what was in force, when nobody is told of it any more."""
        held, self._held = self._held, []
        self._tables.clear()
        self._shares.clear()

        def drop() -> None:
            for name in MAPS:
                self._maps[name].remove_many([key for of, key in held if of == name])

        return drop

    def _choice(self, choice: Choice) -> bytes:
        shares, ends = 0, 0
        if choice.slow is None:
            shares, ends = self._list(choice.shares), len({end for _, end in choice.shares})
        sets = [self._set_of(rules) for rules in choice.sets]
        sets += [0] * (ROUTE_SETS - len(sets))
        return CHOICE.pack(choice.method, choice.headers, choice.query, choice.slow or 0, shares, ends, *sets)

    def _list(self, shares: tuple[tuple[int, End], ...]) -> int:
        if shares not in self._shares:
            number = next(self._numbers)
            for index, (own, other, threshold) in enumerate(alias(shares)):
                addresses, ports = zip(
                    *((packed_address(each), port.to_bytes(2, "big")) for each, port in (own, other)), strict=True
                )
                self._put("l7_shares", PLACE.pack(number, index), SHARE.pack(*addresses, *ports, threshold))
            self._shares[shares] = number
        return self._shares[shares]

    def _put(self, name: str, key: bytes, value: bytes) -> None:
        self._held.append((name, key))
        self._maps[name].put(key, value)


def header_key(table: int, name: str, value: str | None) -> bytes:
    """The key of a header, whatever its value where that is None."""
    said = (value or "").encode()
    return HEADER_KEY.pack(table, HEADER_THERE if value is None else len(said), name.encode(), said)
