"""Ports as policies write them, by number or by name."""

from collections.abc import Collection, Iterator

from harness.model.origin import Origin
from harness.model.topology import Pod
from harness.nft.addresses import Addresses
from harness.nft.cluster import Cluster, addresses
from harness.nft.errors import PolicyError
from harness.nft.gates import Match, Way

LAST_PORT = 65535
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp"}


def protocol_name(origin: Origin, protocol: str) -> str:
    """The name that nftables has for a protocol of a policy. Raises PolicyError for others than TCP and UDP."""
    try:
        return _PROTOCOLS[protocol]
    except KeyError:
        raise PolicyError(origin, f"protocol {protocol}: nftables enforces ports of TCP and UDP here; leave it out") from None


def last_port(origin: Origin, first: int, end: int | None) -> int:
    """The last port of a range that may have an ``endPort``. Raises PolicyError where there is no such range."""
    last = first if end is None else end
    if not 1 <= first <= last <= LAST_PORT:
        raise PolicyError(origin, f"ports {first} to {last}: write 1 to {LAST_PORT}, and endPort not below port")
    return last


def named(
    origin: Origin, name: str, protocols: Collection[str], peers: Addresses, pod: Pod, way: Way, cluster: Cluster
) -> Iterator[Match]:
    """A container port's name: the pod's own on ingress, each destination pod's own on egress; other addresses have none."""
    owners = (pod,) if way is Way.INGRESS else cluster.pods
    for owner in owners:
        reached = peers if way is Way.INGRESS else peers & addresses((owner,))
        for port in owner.ports if reached else ():
            protocol = _PROTOCOLS.get(port.protocol)
            if port.name == name and protocol in protocols:
                yield Match(origin, reached, protocol, ((port.port, port.port),))
