"""Whose requests a node's Envoy judges, and what it allows: policies with everything resolved but the request itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address, ip_network

from harness.model.cilium import HTTPRule, KafkaRule
from harness.model.origin import Origin


class Direction(StrEnum):
    """Whose rules these are: the client's or the backend's."""

    EGRESS = "egress"
    INGRESS = "ingress"


@dataclass(frozen=True, slots=True)
class Peers:
    """Addresses: those in any of the CIDRs ``inside``, and in none of ``outside``. Without any inside it is nobody."""

    inside: tuple[str, ...]
    outside: tuple[str, ...] = ()

    def hold(self, address: str) -> bool:
        """Whether ``address`` is one of them."""
        own = ip_address(address)
        return any(own in ip_network(each) for each in self.inside) and not any(
            own in ip_network(each) for each in self.outside
        )


@dataclass(frozen=True, slots=True)
class Admission:
    """What one rule allows, or ``denies``, to ``peers``; to anybody if they are None.

    Of ``requests`` a request must meet one; None allows every request, HTTP or not. ``kafka`` are rules about requests of
    Kafka: where there are some, ``requests`` is empty, as none of HTTP is allowed.
    """

    origin: Origin
    peers: Peers | None
    requests: tuple[HTTPRule, ...] | None = None
    denies: bool = False
    kafka: tuple[KafkaRule, ...] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Flows over TCP that an Envoy may meet: of ``subjects`` (addresses of pods of its node) in one direction, to some ports.

    ``first`` and ``last`` bound the destination's ports, both included; ``admissions`` are all that is said of each of them.
    Who is not ``isolated`` is only kept from what rules narrow or deny. ``origin`` is named where nothing is allowed.
    """

    direction: Direction
    subjects: tuple[str, ...]
    first: int
    last: int
    isolated: bool
    admissions: tuple[Admission, ...]
    origin: Origin


def requests(scopes: Iterable[Scope]) -> Iterator[HTTPRule]:
    """The rules about requests in ``scopes``."""
    for scope in scopes:
        for admission in scope.admissions:
            yield from admission.requests or ()
