"""Sets of addresses as intervals, which is also how nftables keeps them."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Interval = tuple[int, int]
"""First and last, both inside."""

_LAST = {4: 2**32 - 1, 6: 2**128 - 1}
_ADDRESS = {4: IPv4Address, 6: IPv6Address}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of both families: disjoint intervals in ascending order, none touching the next."""

    v4: tuple[Interval, ...] = ()
    v6: tuple[Interval, ...] = ()

    def of(self, family: int) -> tuple[Interval, ...]:
        """Those of ``family`` (4 or 6)."""
        return self.v4 if family == 4 else self.v6

    def only(self, family: int) -> "Addresses":
        """Without those of the other family."""
        return Addresses(v4=self.v4) if family == 4 else Addresses(v6=self.v6)

    def __or__(self, other: "Addresses") -> "Addresses":
        return Addresses(_merged((*self.v4, *other.v4)), _merged((*self.v6, *other.v6)))

    def __and__(self, other: "Addresses") -> "Addresses":
        return Addresses(_common(self.v4, other.v4), _common(self.v6, other.v6))

    def __sub__(self, other: "Addresses") -> "Addresses":
        return self & Addresses(_complement(other.v4, 4), _complement(other.v6, 6))

    def __bool__(self) -> bool:
        return bool(self.v4 or self.v6)


NOBODY = Addresses()
EVERYBODY = Addresses(((0, _LAST[4]),), ((0, _LAST[6]),))


def hosts(texts: Iterable[str]) -> Addresses:
    """Exactly these addresses."""
    found: dict[int, list[Interval]] = {4: [], 6: []}
    for address in map(ip_address, texts):
        found[address.version].append((int(address), int(address)))
    return Addresses(_merged(found[4]), _merged(found[6]))


def block(cidr: str) -> Addresses:
    """All addresses of a CIDR; one without a length is one address. Raises ValueError, for host bits that are set too."""
    network = ip_network(cidr)
    interval = (int(network.network_address), int(network.broadcast_address))
    return Addresses(v4=(interval,)) if network.version == 4 else Addresses(v6=(interval,))


def text(interval: Interval, family: int) -> str:
    """As an element of a set: ``10.0.0.0-10.0.0.9``, or one address."""
    first, last = (str(_ADDRESS[family](end)) for end in interval)
    return first if first == last else f"{first}-{last}"


def _merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _complement(intervals: tuple[Interval, ...], family: int) -> tuple[Interval, ...]:
    gaps: list[Interval] = []
    free = 0
    for first, last in intervals:
        if free < first:
            gaps.append((free, first - 1))
        free = last + 1
    if free <= _LAST[family]:
        gaps.append((free, _LAST[family]))
    return tuple(gaps)


def _common(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """By walking both once: they are in order."""
    found: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        first, last = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if first <= last:
            found.append((first, last))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)
