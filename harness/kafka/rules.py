"""Which requests a node's pods may make and take: what a proxy is told, and how it judges by it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the harness has rules too, and reads no requests: schemas take a quarter of a second to import
    from harness.kafka.reading import Asked


class Side(StrEnum):
    """Whose rules these are: the client's or the broker's."""

    EGRESS = "egress"
    INGRESS = "ingress"


@dataclass(frozen=True, slots=True)
class Rule:
    """Takes requests of ``apis`` (names as policies have them), a version, a client id; what is None is any.

    A rule about a ``topic`` takes only this one.
    """

    apis: tuple[str, ...] | None = None
    version: int | None = None
    client_id: str | None = None
    topic: str | None = None

    def takes(self, asked: "Asked") -> bool:
        """Whether the rule is about such requests; of which topics is another question."""
        return (
            (self.apis is None or asked.api in self.apis)
            and self.version in (None, asked.version)
            and self.client_id in (None, asked.client_id)
        )


@dataclass(frozen=True)
class Allowance:
    """What a policy's rule allows, or ``denies``, to peers in any of the networks ``inside`` and in none of ``outside``.

    ``inside`` None is everybody; ``rules`` None allows every request. ``origin``: where it is written.
    """

    origin: str
    inside: tuple[str, ...] | None = None
    outside: tuple[str, ...] = ()
    denies: bool = False
    rules: tuple[Rule, ...] | None = None

    @cached_property
    def _networks(self) -> tuple[list[Any], list[Any]]:
        return [ip_network(each) for each in self.inside or ()], [ip_network(each) for each in self.outside]

    def is_about(self, peer: str) -> bool:
        """Whether ``peer`` is one of those whom it is about."""
        address = ip_address(peer)
        inside, outside = self._networks
        within = self.inside is None or any(address in each for each in inside)
        return within and not any(address in each for each in outside)


@dataclass(frozen=True)
class Ports:
    """All that is said of connections of ``pods`` (addresses) to ports from ``first`` to ``last``, on one side.

    ``isolated``: what nothing allows is refused.
    """

    side: Side
    pods: frozenset[str]
    first: int
    last: int
    isolated: bool
    allowances: tuple[Allowance, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which side refuses a request, and where the rule is written."""

    side: Side
    origin: str


class Law:
    """What is said of all ports, looked up by pod."""

    def __init__(self, said: Iterable[Ports] = ()) -> None:
        self._by_pod: dict[tuple[Side, str], list[Ports]] = {}
        for ports in said:
            for pod in ports.pods:
                self._by_pod.setdefault((ports.side, pod), []).append(ports)

    def refusal(self, client: str, broker: str, port: int, asked: "Asked") -> Refusal | None:
        """Why a request is refused; None where both sides allow it, or the node of neither is this one."""
        for side, pod, peer in ((Side.EGRESS, client, broker), (Side.INGRESS, broker, client)):
            for ports in self._by_pod.get((side, pod), ()):
                if ports.first <= port <= ports.last and not _allowed(ports, peer, asked):
                    return Refusal(side, ports.origin)
        return None


def _allowed(ports: Ports, peer: str, asked: "Asked") -> bool:
    about = [each for each in ports.allowances if each.is_about(peer)]
    if any(each.denies for each in about):
        return False
    if not about:
        return not ports.isolated
    if any(each.rules is None for each in about):
        return True
    taking = [rule for each in about for rule in each.rules or () if rule.takes(asked)]
    if not asked.names_topics:
        return bool(taking)
    if any(rule.topic is None for rule in taking):
        return True
    return bool(asked.topics) and asked.topics <= {rule.topic for rule in taking}


def written(said: Iterable[Ports]) -> list[dict[str, Any]]:
    """As JSON has it."""
    return [{**asdict(each), "pods": sorted(each.pods)} for each in said]


def read(said: Sequence[Mapping[str, Any]]) -> list[Ports]:
    """What ``written`` wrote."""
    return [
        Ports(
            Side(each["side"]), frozenset(each["pods"]), each["first"], each["last"], each["isolated"],
            tuple(_allowance(one) for one in each["allowances"]), each["origin"],
        )
        for each in said
    ]  # fmt: skip


def _allowance(said: Mapping[str, Any]) -> Allowance:
    rules = None if said["rules"] is None else tuple(_rule(each) for each in said["rules"])
    inside = None if said["inside"] is None else tuple(said["inside"])
    return Allowance(said["origin"], inside, tuple(said["outside"]), said["denies"], rules)


def _rule(said: Mapping[str, Any]) -> Rule:
    apis = None if said["apis"] is None else tuple(said["apis"])
    return Rule(apis, said["version"], said["client_id"], said["topic"])
