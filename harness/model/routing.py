"""What a request to a Service or a Gateway asks, what its routing is decided by, and what may become of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.origin import Origin
from harness.model.request import GRPCRequest, HTTPRequest
from harness.model.route import Gateway, GRPCRoute, HeaderChanges, HTTPRoute, ReferenceGrant, Retry, Timeouts
from harness.model.service import Service
from harness.model.traffic import BackendTrafficPolicy


@dataclass(frozen=True, slots=True)
class Routing:
    """All objects that decide where requests go, in the order of files and lines."""

    services: tuple[Service, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    http_routes: tuple[HTTPRoute, ...] = ()
    grpc_routes: tuple[GRPCRoute, ...] = ()
    grants: tuple[ReferenceGrant, ...] = ()
    traffic_policies: tuple[BackendTrafficPolicy, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A request from a pod (``namespace/name``) or an address of no pod's, to a Service or, if ``to_gateway``, a Gateway.

    ``destination`` is ``namespace/name``; ``port`` is the Service's or the listener's.
    """

    source: str
    destination: str
    port: int
    request: HTTPRequest | GRPCRequest
    to_gateway: bool = False

    @property
    def place(self) -> str:
        """What takes the request: ``namespace/name`` of a Service, ``gateway namespace/name`` of a Gateway."""
        return f"gateway {self.destination}" if self.to_gateway else self.destination

    def __str__(self) -> str:
        return f"{self.source} -> {self.place}:{self.port} {self.request}"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """Where a copy of a request goes, and for ``numerator`` of ``denominator`` requests."""

    backend: str
    port: int
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A request goes to a port of the Service ``backend`` (``namespace/name``) as it stands here.

    ``weight``: its share is this over the sum of the weights of all answers to the call. ``path`` is the request target with
    its query. ``headers`` are those of the request but for Host, which is ``host``; those of one name are one, joined by
    commas. ``response`` is what is changed in the response's headers, one entry for each filter in their order. ``rule``: the
    rule of a route that says so; None where a Service without a route does. ``traffic``: the policy that it is under.
    """

    backend: str
    port: int
    weight: int
    path: str
    host: str
    headers: Mapping[str, str]
    rule: Origin | None
    response: tuple[HeaderChanges, ...] = ()
    mirrors: tuple[Mirrored, ...] = ()
    timeouts: Timeouts | None = None
    retry: Retry | None = None
    traffic: BackendTrafficPolicy | None = None


@dataclass(frozen=True, slots=True)
class Replied:
    """The client gets an answer from the mesh or the Gateway itself: a redirect, or an error, for the ``reason`` given.

    ``weight`` and ``rule`` as of a request that is forwarded; ``headers`` are those of the response that the routes decide.
    An error of gRPC is a ``status`` of 200 with its code in the header ``grpc-status``, as it is on the wire.
    """

    status: int
    weight: int
    reason: str
    rule: Origin | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


RouteAnswer = Forwarded | Replied
