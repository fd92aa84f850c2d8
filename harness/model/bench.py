"""Benchmark scenarios as written: who talks to whom, which loads, and what must be reachable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.model.bypass import Credentials
from harness.model.cilium import Policy
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.routing import Routing
from harness.model.topology import Topology

KNOWN_EFFECTS = "known-effects"
"""The scenario's name under which a campaign journals the effects that it injects itself; no file may have it."""


class LoadKind(StrEnum):
    """Kinds of traffic; each is one file of harness/traffic."""

    LATENCY = "latency"  # open loop at a stated rate; latency from intended send time
    COST = "cost"  # the same load without spinning, for CPU per request
    TRACE = "trace"  # the same load with kernel events counted
    MAXIMUM = "maximum"  # closed loop, as many requests as it can
    CLOSED = "closed"  # the same from a generator of our own, which can mix requests
    BLOCKING = "blocking"  # the same from blocking sockets, a thread each
    CONNECTIONS = "connections"  # a new connection for each request
    CAPACITY = "capacity"  # the highest rate at which a latency objective holds, searched by open loops
    BULK = "bulk"  # one TCP stream, as fast as it goes


@dataclass(frozen=True, slots=True)
class MixPart:
    """``percent`` of a load's requests, drawn at random, that are of another form than the rest."""

    percent: float
    path: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Search:
    """What a capacity is: the highest rate (1/s) at which ``percent`` of the requests are answered ``within`` so many seconds.

    It is looked for from ``lowest`` to ``highest`` by trials of ``trial`` seconds, until known to ``width``, a share of it.
    """

    percent: float
    within: float
    lowest: float = 250.0
    highest: float = 200_000.0
    trial: float = 0.25
    width: float = 0.05


@dataclass(frozen=True, slots=True)
class Share:
    """A rate that is a share (0 to 1) of each plane's own capacity, as the load ``of`` found it in the same block."""

    of: str
    share: float


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One load of a scenario.

    ``rate`` is in requests a second; None means half of the slowest plane's measured maximum
    (of the scenario's ``maximum`` load). ``seconds`` and ``warmup`` are lengths of time. ``mix`` is taken from the requests of
    ``path`` and ``headers``, which are all others. A load of kind capacity has a ``search``, for which ``seconds`` is all
    the time that it may take. With a ``share`` the rate is that.
    """

    name: str
    kind: LoadKind
    seconds: float
    warmup: float
    rate: float | None = None
    half_of_slowest: bool = False
    connections: int = 16
    arrivals: str = "poisson"
    family: int = 4
    path: str = "/1k"
    headers: tuple[tuple[str, str], ...] = ()
    mix: tuple[MixPart, ...] = ()
    search: Search | None = None
    share: Share | None = None


class Opened(StrEnum):
    """When the connection was opened over which a flow is asked."""

    NOW = "now"
    EARLIER = "earlier"  # while the policies of the step before were in force
    ASKED = "asked"  # the same, with a request under way that the server answers now: its end speaks first
    BEFORE = "before"  # before the data plane came


@dataclass(frozen=True, slots=True)
class Expectation:
    """One cell of a hand-written reachability matrix. ``credentials`` are the client's, where it is not root.

    ``status``: that of the answer to its request of HTTP, None where any that fits the verdict will do.
    """

    origin: Origin
    flow: Flow
    verdict: Verdict
    credentials: Credentials | None = None
    opened: Opened = Opened.NOW
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Front:
    """A Service (``namespace/name``) that is asked instead of a pod; ``backends`` are the pods that answer for it."""

    service: str
    port: int
    backends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BenchScenario:
    """A benchmark scenario: its pair of pods, its policies, its matrix and its loads.

    With a ``front`` the client asks that, and ``routing`` says where its requests go; on the control, which has no Services,
    it asks ``server`` itself. ``not_judged`` counts, by kind, the objects among its manifests that carry no policy.
    """

    name: str
    title: str
    why: str
    origin: Origin
    topology: Topology
    client: str
    server: str
    port: int
    policies: tuple[Policy, ...]
    expectations: tuple[Expectation, ...]
    loads: tuple[LoadPoint, ...]
    quick: bool = False
    not_judged: Mapping[str, int] = field(default_factory=dict)
    front: Front | None = None
    routing: Routing = field(default_factory=Routing)

    @property
    def same_node(self) -> bool:
        """Whether client and server are placed on one node."""
        return self.topology.pod(self.client).node == self.topology.pod(self.server).node
