"""A flow that is asked about, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from harness.model.request import Request


class Verdict(StrEnum):
    """What the client saw. ``DENIED`` is what a scenario may expect: dropped or rejected."""

    FORWARDED = "forwarded"  # application bytes were answered by the pod that was meant
    DROPPED = "dropped"  # silence
    REJECTED = "rejected"  # an answer that refuses: RST, ICMP, 403, close after accept
    REDIRECTED = "redirected"  # answered elsewhere, as a redirect says
    DENIED = "denied"  # dropped or rejected; never observed, only expected

    def admits(self, observed: "Verdict") -> bool:
        """Whether ``observed`` is what this expectation allows."""
        if self is Verdict.DENIED:
            return observed in (Verdict.DROPPED, Verdict.REJECTED)
        return self is observed


@dataclass(frozen=True, slots=True)
class ICMP:
    """Type and code of an ICMP (or ICMPv6) message."""

    type: int
    code: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """Traffic to a port of a pod. Ends are pods (``namespace/name``) or addresses of no pod's (``192.0.2.7``).

    ``protocol`` is TCP, UDP or ICMP; of ICMP ``port`` is 0 and ``icmp`` says which message, for either family.
    ``request``: what is asked over a TCP connection; None where only the connection is asked about.
    """

    source: str
    destination: str
    port: int
    protocol: str = "TCP"
    family: int = 4
    icmp: ICMP | None = None
    request: Request | None = None

    def __str__(self) -> str:
        what = f":{self.port}/{self.protocol}" if self.icmp is None else f" ICMP type {self.icmp.type} code {self.icmp.code}"
        asked = "" if self.request is None else f" {self.request}"
        return f"{self.source} -> {self.destination}{what}{asked} (IPv{self.family})"


def is_pod(end: str) -> bool:
    """Whether an end of a flow is a pod's ``namespace/name``, not an address."""
    return "/" in end


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a data plane itself says of a denied flow: a drop code, a status, a counter's name.

    ``reason`` is the plane's own code; ``rule`` is ``file:line`` of the deciding rule where it knows it.
    """

    plane: str
    reason: str
    rule: str | None = None
    detail: str = ""
