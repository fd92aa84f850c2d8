"""Ways around a mesh's policy that an application in a pod may try: the techniques of the bypass catalogue."""

from dataclasses import dataclass
from enum import StrEnum

from harness.model.origin import Origin


class Technique(StrEnum):
    """Each is a row of the catalogue in docs/conformance.md; the values are what ``technique`` may say in a case."""

    EXEMPT_UID = "exempt uid"
    EXEMPT_GID = "exempt gid"
    UDP = "UDP"
    ICMP = "ICMP"
    RAW_SOCKET = "raw socket"
    IPV6 = "IPv6"
    STARTED_BEFORE = "connection older than the mesh"
    EXCLUDED_PORT = "excluded port"
    FLUSHED_RULES = "flushed rules"
    UNTRACKED = "untracked packets"
    EARLIER_NAT = "earlier address translation"
    ROUTES = "routes replaced"
    ADDRESS = "added address"
    QDISC = "qdisc on the pod's interface"
    PROXY_KILLED = "proxy killed"
    FRAGMENTS = "fragments"
    SPOOFED = "spoofed source"


class Tamper(StrEnum):
    """What a pod with NET_ADMIN, or root in it, does to its own namespace. The commands are harness.traffic.tampering's."""

    FLUSH_RULES = "flush-rules"
    NOTRACK = "notrack"
    EARLIER_NAT = "earlier-nat"
    REPLACE_ROUTES = "replace-routes"
    ADD_ADDRESS = "add-address"
    QDISC = "qdisc"
    KILL_PROXY = "kill-proxy"


@dataclass(frozen=True, slots=True)
class Tampering:
    """One tampering in a pod, before what the step expects is asked."""

    origin: Origin
    pod: str
    run: Tamper


@dataclass(frozen=True, slots=True)
class Credentials:
    """The user and group that a client runs as; None leaves it root's."""

    uid: int | None = None
    gid: int | None = None
