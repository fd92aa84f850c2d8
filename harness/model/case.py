"""Conformance cases as written, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.model.bench import Expectation
from harness.model.bypass import Tampering, Technique
from harness.model.churn import PodChange, StreamExpectation
from harness.model.cilium import Policy
from harness.model.exchange import ExchangeExpectation
from harness.model.fault import Symptom
from harness.model.flow import Flow
from harness.model.origin import Origin
from harness.model.packet import PacketExpectation
from harness.model.routed import RoutedExpectation
from harness.model.routing import Routing
from harness.model.topology import Topology


@dataclass(frozen=True, slots=True)
class Step:
    """Policies that replace those before, and what must then be true.

    With ``keeps`` the policies are those of the step before, which stay in force untouched, and ``pods`` change instead.
    ``streams`` are opened when the step is in force and go on to the end of the case. ``routing`` is empty in cases without
    ``requests``.
    """

    origin: Origin
    policies: tuple[Policy, ...]
    expectations: tuple[Expectation, ...]
    packets: tuple[PacketExpectation, ...] = ()
    tampering: tuple[Tampering, ...] = ()
    keeps: bool = False
    pods: tuple[PodChange, ...] = ()
    streams: tuple[Flow, ...] = ()
    stream_expectations: tuple[StreamExpectation, ...] = ()
    exchanges: tuple[ExchangeExpectation, ...] = ()
    routing: Routing = field(default_factory=Routing)
    requests: tuple[RoutedExpectation, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A folder ``<area>/<name>`` with a ``scenario.yaml``. ``generated`` cases are written by a program, never by hand.

    ``technique``: the way around policy that it tries; then no feature is asked of data planes.
    ``not_judged`` counts, by kind, the objects among its manifests that carry no policy.
    """

    name: str
    area: str
    title: str
    why: str
    origin: Origin
    topology: Topology
    steps: tuple[Step, ...]
    generated: bool = False
    technique: Technique | None = None
    not_judged: Mapping[str, int] = field(default_factory=dict)

    @property
    def churns(self) -> bool:
        """Whether pods change or streams go on: then it needs a lab of its own on each data plane."""
        return any(step.pods or step.streams for step in self.steps)

    @property
    def id(self) -> str:
        """``area/name``, as on the command line and in expectations."""
        return f"{self.area}/{self.name}"


class CaseOutcome(StrEnum):
    """What became of a case on a data plane. An error is not a failure: nothing was learnt."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    UNSUPPORTED = "unsupported"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case on one data plane.

    ``rule`` is the deciding rule's ``file:line``; ``expected``: the committed file agrees; ``symptoms``: how a case failed.
    ``admitted_meanwhile``: messages of open streams that got through after a change that denies them was called for, and
    before it was in force.
    """

    case: str
    area: str
    dataplane: str
    outcome: CaseOutcome
    reason: str = ""
    evidence: str = ""
    rule: str | None = None
    expected: bool = True
    seconds: float = 0.0
    symptoms: tuple[Symptom, ...] = ()
    admitted_meanwhile: int = 0


@dataclass(frozen=True, slots=True)
class ExpectedOutcome:
    """An outcome other than a pass that is known and accepted, and why; one entry of ``expectations.yaml``."""

    origin: Origin
    case: str
    dataplane: str
    outcome: CaseOutcome
    reason: str
