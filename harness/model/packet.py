"""Crafted packets as a case asks about them: what sockets cannot send, and whether it may reach the server's pod."""

from dataclasses import dataclass
from enum import StrEnum

from harness.model.flow import ICMP, Flow, Verdict
from harness.model.origin import Origin


class Claim(StrEnum):
    """What can be said of a craft's fate before any data plane is asked."""

    LEGAL = "legal"  # packets that a stack or a router may send: they go as the flow that they imitate goes
    VARIANT = "variant"  # of a denied flow nothing may arrive; of an allowed flow a data plane may refuse them
    FORGED = "forged"  # nothing may arrive, whatever policies say


@dataclass(frozen=True, slots=True)
class Craft:
    """A kind of packet. ``protocol`` and ``reverse`` say which flow it imitates: to the port, or back from it.

    ``what`` describes it in a few words; of a forged one it says why nothing of it may arrive. ``asks`` names the optional
    parameters that it needs: ``claims``, whose address it bears as its source, and ``cover``, a port that is shown first.
    """

    name: str
    what: str
    claim: Claim
    protocol: str = "TCP"
    families: tuple[int, ...] = (4, 6)
    reverse: bool = False
    asks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CraftedPacket:
    """A craft from one pod to another. ``claims`` is a pod or an address. ``port`` is 0 for crafts of ICMP."""

    craft: str
    source: str
    destination: str
    port: int
    family: int
    claims: str | None = None
    cover: int | None = None

    def __str__(self) -> str:
        more = f" as {self.claims}" if self.claims else ""
        more += f" behind port {self.cover}" if self.cover else ""
        return f"{self.craft} {self.source} -> {self.destination}:{self.port}{more} (IPv{self.family})"


@dataclass(frozen=True, slots=True)
class PacketExpectation:
    """Whether a crafted packet must arrive at the server's interface.

    ``delivered``: it arrives where nothing denies. What the kernel of the nodes drops by itself does not.
    """

    origin: Origin
    packet: CraftedPacket
    verdict: Verdict
    delivered: bool = True


class Arrived(StrEnum):
    """How much of a crafted packet came to the server's interface: for fragments, of the packet that they are of."""

    WHOLE = "whole"
    PART = "part"
    NOTHING = "nothing"


ECHO_REQUEST = {4: 8, 6: 128}  # RFC 792, RFC 4443


def imitated(packet: CraftedPacket, craft: Craft) -> Flow:
    """The flow that a packet would belong to. A pod that is claimed counts as its source."""
    source, destination = packet.claims or packet.source, packet.destination
    if craft.reverse:
        source, destination = destination, source
    message = ICMP(ECHO_REQUEST[packet.family]) if craft.protocol == "ICMP" else None
    return Flow(source, destination, packet.port, craft.protocol, packet.family, message)
