"""What drawn policies, flows and packets may name, so that they are about pods that are there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

NAME_LABEL = "kubernetes.io/metadata.name"
ENTITIES = ("all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "none")
ICMP_TYPES: Mapping[str | None, tuple[int | str, ...]] = {
    None: (0, 8, "EchoRequest", "EchoReply"),
    "IPv4": (8, 0, "EchoRequest", "Echo", "DestinationUnreachable"),
    "IPv6": (128, "EchoRequest", "EchoReply", "PacketTooBig"),
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names, numbers and addresses to choose from; the first of each is the simplest, to which a search comes back.

    ``blocks`` are pairs of a CIDR and one inside it that may be excepted. ``outside`` are addresses of no pod's.
    ``requests``: whether rules may be about HTTP, which no data plane judges.
    """

    namespaces: tuple[str, ...]
    keys: tuple[str, ...]
    values: tuple[str, ...]
    ports: tuple[int, ...]
    names: tuple[str, ...]
    blocks: tuple[tuple[str, str], ...]
    outside: tuple[str, ...]
    icmp_types: Mapping[str | None, tuple[int | str, ...]] = field(default_factory=lambda: ICMP_TYPES)
    requests: bool = False


SMALL = Vocabulary(
    namespaces=("shop", "lab"),
    keys=("app", "tier"),
    values=("a", "b"),
    ports=(8080, 8081, 5353, 80, 443),
    names=("web", "dns"),
    blocks=(
        ("0.0.0.0/0", "10.1.0.0/16"),
        ("10.0.0.0/8", "10.1.0.11/32"),
        ("10.1.0.8/30", "10.1.0.10/32"),
        ("192.0.2.0/24", "192.0.2.128/25"),
        ("::/0", "fd00:10:1::/64"),
        ("fd00:10::/32", "fd00:10:1::b/128"),
        ("2001:db8::/32", "2001:db8:8000::/33"),
    ),
    outside=("192.0.2.7", "192.0.2.200", "10.9.9.9", "2001:db8::7", "2001:db8:8000::1", "fd00::99"),
)
"""Of the topology ``small``."""
