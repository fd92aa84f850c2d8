"""Misreadings of addresses and ports, which NetworkPolicy and Cilium's policies write alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Block:
    """A CIDR and its exceptions."""

    cidr: str
    except_: tuple[str, ...] = ()


def length_class(cidr: str) -> str:
    """Family and length, as far as implementations tell lengths apart: nothing, whole groups of bits, some bits, all."""
    network = ip_network(cidr)
    group = 8 if network.version == 4 else 16
    if network.prefixlen == 0:
        length = "every address"
    elif network.prefixlen == network.max_prefixlen:
        length = "one address"
    else:
        length = "whole groups of bits" if network.prefixlen % group == 0 else "bits within a group"
    return f"IPv{network.version} {length}"


def blocks(written: Block) -> Iterator[tuple[str, str, str, Block | None]]:
    """``(part, class, taken as, block)``; ``part`` is "" for the CIDR, else ``except``. None: as if it were not there."""
    kind = length_class(written.cidr)
    holes = written.except_
    yield "", kind, "not there", None
    for taken, cidr in _neighbours(written.cidr):
        inside = tuple(hole for hole in holes if ip_network(hole).subnet_of(ip_network(cidr)))  # type: ignore[arg-type]
        yield "", kind, taken, Block(cidr, inside)
    for place, hole in enumerate(holes):
        kind = f"{length_class(hole)}, {'the only one' if len(holes) == 1 else 'one of several'}"
        before, after = holes[:place], holes[place + 1 :]
        yield ".except", kind, "not there", Block(written.cidr, (*before, *after))
        for taken, cidr in _neighbours(hole):
            yield ".except", kind, taken, Block(written.cidr, (*before, cidr, *after))


def _neighbours(cidr: str) -> Iterator[tuple[str, str]]:
    network = ip_network(cidr)
    if network.prefixlen > 0:
        yield "a bit shorter", str(network.supernet())
    if network.prefixlen < network.max_prefixlen:
        lower, upper = network.subnets()
        yield "its lower half", str(lower)
        yield "its upper half", str(upper)


def spans(first: int, last: int | None) -> Iterator[tuple[str, int, int | None]]:
    """Numbers that a port, or a range of ports, might be taken for."""
    if last is None:
        yield "one less", first - 1, None
        yield "one more", first + 1, None
        yield "it and all above", first, 65535
        return
    if first < last:
        yield "its first port alone", first, None
        yield "its last port alone", last, None
        yield "without its first port", first + 1, last
        yield "without its last port", first, last - 1
    yield "one port more below", max(first - 1, 1), last
    yield "one port more above", first, min(last + 1, 65535)
