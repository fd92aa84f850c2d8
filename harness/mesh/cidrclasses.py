"""CIDR blocks and their exceptions as disjoint classes: an address is in the class of the longest prefix that holds it.

Prefixes are nested or apart, never overlapping, so a block is exactly the classes of the prefixes inside it, without
those inside its exceptions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.mesh.layout import Address, Network


@dataclass(frozen=True, slots=True)
class Block:
    """A CIDR and the CIDRs excepted from it."""

    cidr: Network
    excepted: tuple[Network, ...] = ()

    def holds(self, address: Address) -> bool:
        """Whether the block matches ``address``."""
        return address in self.cidr and not any(address in network for network in self.excepted)


@dataclass(frozen=True, slots=True)
class CidrClasses:
    """A class for each prefix; the classes of a set of policies."""

    of: Mapping[Network, int] = field(default_factory=dict)

    def inside(self, block: Block) -> list[int]:
        """The classes that make up ``block``."""
        return [
            number
            for network, number in self.of.items()
            if _within(network, block.cidr) and not any(_within(network, hole) for hole in block.excepted)
        ]

    def holding(self, address: Address) -> int:
        """The class of ``address``, 0 if no prefix holds it."""
        holders = [network for network in self.of if address in network]
        return self.of[max(holders, key=lambda network: network.prefixlen)] if holders else 0


def classify(blocks: Iterable[Block]) -> CidrClasses:
    """Number all prefixes of ``blocks``, from 1."""
    prefixes = {network for block in blocks for network in (block.cidr, *block.excepted)}
    ordered = sorted(prefixes, key=lambda network: (network.version, int(network.network_address), network.prefixlen))
    return CidrClasses({network: number for number, network in enumerate(ordered, 1)})


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner.network_address in outer
