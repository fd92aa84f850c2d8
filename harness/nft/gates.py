"""What policies come to at each pod and direction, in addresses and ports."""

from dataclasses import dataclass, field
from enum import StrEnum

from harness.model.origin import Origin
from harness.nft.addresses import Addresses, Interval

ICMP = {4: "icmp", 6: "icmpv6"}


class Way(StrEnum):
    """A direction, seen from the pod."""

    EGRESS = "egress"
    INGRESS = "ingress"


@dataclass(frozen=True, slots=True)
class Match:
    """The traffic that a rule speaks of. ``protocol`` None: every one; ``ports`` None: every port.

    ``protocol`` is as nftables calls it. Of ICMP, ports are ``type << 8 | code``, as conntrack stores them.
    """

    origin: Origin
    peers: Addresses
    protocol: str | None = None
    ports: tuple[Interval, ...] | None = None


@dataclass(slots=True)
class Gate:
    """One direction of one pod, in order of precedence: denied, then free unless isolated, then allowed, else denied."""

    denies: list[Match] = field(default_factory=list)
    isolated_by: Origin | None = None
    allows: list[Match] = field(default_factory=list)

    def isolate(self, origin: Origin) -> None:
        """``origin`` isolates the pod; the first that does is the one to name."""
        self.isolated_by = self.isolated_by or origin

    @property
    def open(self) -> bool:
        """Whether nothing at all is dropped here."""
        return self.isolated_by is None and not self.denies


Gates = dict[tuple[str, Way], Gate]
"""By pod (``namespace/name``) and direction; pods without policies have none."""
