"""Requests to Services as conformance cases ask them, and what may become of each."""

from dataclasses import dataclass
from fractions import Fraction

from harness.model.flow import Flow
from harness.model.origin import Origin
from harness.model.routing import Call

Status = int | str
"""Of an answer of HTTP a number; of a call of gRPC the name by which it ends, such as ``UNAVAILABLE``."""

Headers = tuple[tuple[str, str], ...]
NamedHeaders = tuple[tuple[str, str | None], ...]
"""Headers by name, several of one name joined by commas; None: not there."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a request asks of the server that reads it: to answer with ``status`` and ``headers``, ``delay`` seconds later.

    ``first``: only the first so many times that a server reads it, and then as any other; None: each time.
    ``only``: the pod whose server alone does so; None: each.
    """

    status: int = 200
    headers: Headers = ()
    delay: float = 0.0
    first: int | None = None
    only: str | None = None


TELLS_NOTHING = Told()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to a Service as it is made in a lab: ``times`` over, one after another over one new connection.

    Its host is written out. ``together``: each time over a connection of its own, without waiting for the others' answers.
    ``after``: seconds that pass before it is asked, when the one before it in the case has been.
    """

    call: Call
    family: int = 4
    times: int = 1
    told: Told = TELLS_NOTHING
    together: bool = False
    after: float = 0.0

    def __str__(self) -> str:
        times = "" if self.times == 1 else f" {self.times} {'together' if self.together else 'times'}"
        return f"{self.call} (IPv{self.family}){times}"


@dataclass(frozen=True, slots=True)
class Share:
    """One of what may become of a request.

    ``pods``: one of these reads it, ``tries`` times; nobody where there are none. ``status``: of the answer. ``weight``: its
    share of all answers is this over the sum of all; None where any share will do. ``path``, ``host`` and ``headers``: as the
    server must have read them, ``returns``: headers as the client must have; None, and what is not named, goes unasked.
    ``count``: the least and the most of the answers that it may be; ``at_least`` and ``before``: seconds until its answer.
    """

    origin: Origin
    pods: tuple[str, ...]
    status: Status
    weight: int | None = None
    tries: int = 1
    path: str | None = None
    host: str | None = None
    headers: NamedHeaders = ()
    returns: NamedHeaders = ()
    count: tuple[int, int] | None = None
    at_least: float | None = None
    before: float | None = None

    def __str__(self) -> str:
        times = f" {self.tries} times" if self.tries > 1 else ""
        late = f", after {self.at_least:g} s at least" if self.at_least is not None else ""
        soon = f", before {self.before:g} s" if self.before is not None else ""
        return f"status {self.status}, read by {' or '.join(self.pods) or 'nobody'}{times}{late}{soon}"


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies of a request: one goes to one of ``pods``, of ``numerator`` in ``denominator`` requests."""

    origin: Origin
    pods: tuple[str, ...]
    numerator: int = 1
    denominator: int = 1

    @property
    def always(self) -> bool:
        """Whether of every request."""
        return self.numerator == self.denominator


@dataclass(frozen=True, slots=True)
class RoutedExpectation:
    """A request, all that may become of it, and the copies that go elsewhere.

    ``per_connection``: how many of its times a server may read over one connection; None for any number.
    """

    origin: Origin
    asked: Asked
    shares: tuple[Share, ...]
    copies: tuple[Copies, ...] = ()
    per_connection: int | None = None

    @property
    def weighted(self) -> bool:
        """Whether it matters how often each of the shares comes about."""
        return len(self.shares) > 1 and all(each.weight is not None for each in self.shares)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of what may become of a request, as the oracles have it.

    ``path``, ``host`` and ``headers`` are those of the request as its server gets it; a header that the client sent or a
    filter names and that is not there is None. ``returns``: headers of the answer that routes decide, in the same way.
    ``denied``: the flows, to pods behind the Service that would get the request, that policies refuse. ``rule`` decides.
    ``delay``: seconds that its answer takes at least.
    """

    pods: tuple[str, ...]
    status: Status
    weight: Fraction
    tries: int = 1
    path: str = ""
    host: str = ""
    headers: NamedHeaders = ()
    returns: NamedHeaders = ()
    denied: tuple[Flow, ...] = ()
    rule: Origin | None = None
    reason: str = ""
    delay: float = 0.0

    def __str__(self) -> str:
        return str(Share(Origin("", 0), self.pods, self.status, tries=self.tries, at_least=self.delay or None))


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request as the server of ``pod`` read it; ``headers`` have names in lower case, several of one joined by commas.

    ``host`` is None where the server cannot tell. ``connection`` is one of the pod's, of those that it can tell apart.
    """

    pod: str
    path: str
    host: str | None
    headers: Headers
    connection: int | None = None


@dataclass(frozen=True, slots=True)
class RoutedAnswer:
    """What a client read. ``by``: who says to have answered, None where nobody does; ``headers`` as of a ReadRequest.

    ``status`` is None where there was no answer; ``end`` says how the connection then ended. ``began`` and ``ended``: when it
    was sent and when its answer was there, in seconds on one clock.
    """

    status: Status | None
    by: str | None = None
    headers: Headers = ()
    end: str = ""
    began: float = 0.0
    ended: float = 0.0
