"""Crafted packets in a case, as users write them."""

from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, quoted, suggestion
from harness.manifests.flows import End, PodRef, resolved
from harness.manifests.kubernetes import Port
from harness.manifests.shape import Shape, wrong
from harness.model.crafts import CRAFTS
from harness.model.flow import Verdict, is_pod
from harness.model.packet import CraftedPacket, PacketExpectation
from harness.model.topology import Topology


def _craft(name: str) -> str:
    if name not in CRAFTS:
        raise wrong(f"no craft {quoted(name)}{suggestion(name, list(CRAFTS))}")
    return name


class PacketShape(Shape):
    """A crafted packet, over every family that its craft has where none is written, and whether it may arrive."""

    from_: PodRef = Field(alias="from")
    to: PodRef
    craft: Annotated[str, AfterValidator(_craft), Field(json_schema_extra={"enum": list(CRAFTS)})]
    port: Port | None = Field(default=None, description="The port at the server, or back from it; crafts of ICMP have none.")
    family: Literal[4, 6] | None = Field(default=None, description="IP version.")
    claims: End | None = Field(default=None, description="Whose address the packet bears as its source.")
    cover: Port | None = Field(default=None, description="The port that the packet shows first.")
    verdict: Literal["forwarded", "dropped"]
    control: Literal["delivered", "undelivered"] = Field(
        default="delivered",
        description="Whether the packet arrives where nothing denies; the nodes' kernels drop some by themselves.",
    )

    @model_validator(mode="after")
    def _as_the_craft_asks(self) -> "PacketShape":
        craft = CRAFTS[self.craft]
        for name, given in (("claims", self.claims), ("cover", self.cover)):
            if (given is not None) != (name in craft.asks):
                raise wrong(f"{'missing; write it' if given is None else 'not for this craft; remove it'}", name)
        if (self.port is None) != (craft.protocol == "ICMP"):
            raise wrong("missing; write it" if self.port is None else "ICMP has no ports; remove it", "port")
        if not self.families:
            raise wrong(f"{self.craft} is of IPv{craft.families[0]} only", "family")
        if self.verdict == "forwarded" and self.control == "undelivered":
            raise wrong("what does not arrive where nothing denies cannot be forwarded", "control")
        return self

    @property
    def families(self) -> tuple[int, ...]:
        """Those asked for: of the craft, as written and as an address that is claimed implies."""
        implied = ip_address(self.claims).version if self.claims is not None and not is_pod(self.claims) else None
        return tuple(each for each in CRAFTS[self.craft].families if self.family in (None, each) and implied in (None, each))


def packet_expectations(
    document: Document, path: tuple[Step, ...], shapes: list[PacketShape], topology: Topology, faults: list[Fault]
) -> tuple[PacketExpectation, ...]:
    """One expectation for each packet of the list at ``path`` and family.

    Faults are added for pods that the topology lacks, packets listed twice, and for those that must not arrive where no
    other must, at the same server and over the same family: silence alone proves nothing.
    """
    found: dict[CraftedPacket, PacketExpectation] = {}
    for position, shape in enumerate(shapes):
        at = (*path, position)
        for family in shape.families:
            packet = CraftedPacket(
                craft=shape.craft,
                source=resolved(document, (*at, "from"), shape.from_, family, topology, faults),
                destination=resolved(document, (*at, "to"), shape.to, family, topology, faults),
                port=shape.port or 0,
                family=family,
                claims=shape.claims and resolved(document, (*at, "claims"), shape.claims, family, topology, faults),
                cover=shape.cover,
            )
            if packet in found:
                faults.append(document.fault(at, f"{packet} is listed already at {found[packet].origin}; remove one"))
            verdict, delivered = Verdict(shape.verdict), shape.control == "delivered"
            found.setdefault(packet, PacketExpectation(document.origin(at), packet, verdict, delivered))
    reached = {_server(each) for each in found.values() if each.verdict is Verdict.FORWARDED}
    for each in found.values():
        if _server(each) not in reached:
            faults.append(
                Fault(
                    each.origin,
                    f"{each.packet}: no packet of IPv{each.packet.family} is expected to arrive at {each.packet.destination}; "
                    "list one, or nothing shows that any could",
                )
            )
    return tuple(found.values())


def _server(expectation: PacketExpectation) -> tuple[str, int]:
    return expectation.packet.destination, expectation.packet.family
