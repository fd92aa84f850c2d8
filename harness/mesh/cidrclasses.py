"""CIDR blocks and their exceptions as disjoint classes: an address is in the class of the longest prefix that holds it.

Prefixes are nested or apart, never overlapping, so a block is exactly the classes of the prefixes inside it, without
those inside its exceptions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.mesh.layout import Address, Network


@dataclass(frozen=True, slots=True)
class Block:
    """A CIDR and the CIDRs excepted from it. Without ``pods`` it means the world's addresses only, as Cilium's blocks do."""

    cidr: Network
    excepted: tuple[Network, ...] = ()
    pods: bool = True

    def holds(self, address: Address) -> bool:
        """Whether ``address`` lies in the block."""
        return address in self.cidr and not any(address in network for network in self.excepted)


@dataclass(frozen=True, slots=True)
class CidrClasses:
    """The classes of a set of policies: one of the world's addresses for each prefix, and one of pods' where there are any.

    The two differ, so that a block of the world's addresses only needs no lookup of its own.
    """

    of: Mapping[Network, int] = field(default_factory=dict)
    of_pods: Mapping[Network, int] = field(default_factory=dict)

    def inside(self, block: Block) -> list[int]:
        """The classes that make up ``block``."""
        prefixes = [
            network
            for network in self.of
            if _within(network, block.cidr) and not any(_within(network, hole) for hole in block.excepted)
        ]
        pods = [self.of_pods[network] for network in prefixes if network in self.of_pods] if block.pods else []
        return pods + [self.of[network] for network in prefixes]

    def holding(self, address: Address) -> int:
        """The class of an ``address`` of the world, 0 if no prefix holds it."""
        prefix = _longest(self.of, address)
        return self.of[prefix] if prefix else 0

    def holding_pod(self, address: Address) -> int:
        """The class of an ``address`` of a pod, 0 if no prefix holds it."""
        prefix = _longest(self.of, address)
        return self.of_pods.get(prefix, 0) if prefix else 0


def classify(blocks: Iterable[Block], pods: Iterable[Address] = ()) -> CidrClasses:
    """Number all prefixes of ``blocks``: from 1 those that hold addresses of ``pods``, from there on all as the world's."""
    prefixes = {network for block in blocks for network in (block.cidr, *block.excepted)}
    ordered = sorted(prefixes, key=lambda network: (network.version, int(network.network_address), network.prefixlen))
    occupied = {_longest(ordered, address) for address in pods} if ordered else set()
    of_pods = {network: number for number, network in enumerate((one for one in ordered if one in occupied), 1)}
    return CidrClasses({network: number for number, network in enumerate(ordered, len(of_pods) + 1)}, of_pods)


def _longest(prefixes: Iterable[Network], address: Address) -> Network | None:
    return max((network for network in prefixes if address in network), key=lambda network: network.prefixlen, default=None)


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner.network_address in outer
