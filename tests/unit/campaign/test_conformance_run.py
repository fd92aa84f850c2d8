from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from harness.campaign.conformance import run as running
from harness.campaign.conformance import sights, step
from harness.campaign.conformance.canary import WatchedChange
from harness.campaign.conformance.run import Conformance, Outcomes
from harness.dataplanes import find
from harness.dataplanes.port import NO_ROUTING, Feature, No, NotConverged, Revision, Yes
from harness.model.bench import Expectation
from harness.model.case import Case, CaseOutcome, Step
from harness.model.cilium import Policy
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy
from harness.model.routing import Routing
from harness.model.topology import Namespace, Pod, Topology
from harness.traffic.probe import Observation

CLIENT, SERVER, OTHER = "shop/client", "shop/server", "data/db"
TOPOLOGY = Topology(
    "t", ("n1",), (Namespace("shop"), Namespace("data")),
    tuple(Pod(ref.split("/")[1], ref.split("/")[0], "n1") for ref in (CLIENT, SERVER, OTHER)),
)  # fmt: skip
ISOLATED = NetworkPolicy(Origin("np.yaml", 1), "isolate", "shop", LabelSelector(), ("Ingress",))
DENIED, ALLOWED = Flow(CLIENT, SERVER, 8080), Flow(CLIENT, OTHER, 8080)


def case(name: str, *steps: tuple[Sequence[Policy], dict[Flow, Verdict]]) -> Case:
    def expectations(verdicts: dict[Flow, Verdict]) -> tuple[Expectation, ...]:
        return tuple(Expectation(Origin(f"{name}.yaml", 5), flow, verdict) for flow, verdict in verdicts.items())

    made = tuple(Step(Origin(f"{name}.yaml", 3), tuple(policies), expectations(verdicts)) for policies, verdicts in steps)
    return Case(name, "policy", "t", "w", Origin(f"{name}.yaml", 1), TOPOLOGY, made)


TRUE = case("true", ([ISOLATED], {DENIED: Verdict.DENIED, ALLOWED: Verdict.FORWARDED}))


@dataclass
class Network:
    """Stands for lab, data plane and probes: it drops what isolated pods are sent, unless a test breaks it."""

    policies: Sequence[Policy] = ()
    dead: frozenset[str] = frozenset()
    blind: bool = False
    leaky: bool = False
    refuses: bool = False
    crashes: bool = False
    one_way: bool = False
    in_force: list[Sequence[Policy] | None] = field(default_factory=list)
    asked: list[tuple[str, float]] = field(default_factory=list)
    applied: int = 0
    udp: Any = Yes(denies=Verdict.DROPPED)  # noqa: RUF009 - a value

    name = "network"
    title = "a data plane of a test"

    def supports(self, feature: Feature) -> Any:
        return self.udp if feature is Feature.POLICY_UDP else Yes(denies=Verdict.DROPPED)

    @contextmanager
    def attach(self, lab: Any) -> Iterator[Any]:
        yield self

    def apply(self, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
        if self.refuses:
            raise NotConverged("no room for it")
        if self.crashes:
            raise KeyError("a bug of the plane's")
        self.applied += 1
        self.policies = policies
        return Revision(self.applied, 0.002)

    def evidence(self, flow: Flow) -> Evidence | None:
        return None if self.blind else Evidence(self.name, "isolated")

    def ask(self, flows: Sequence[Flow], lab: Any, seconds: float) -> list[Observation]:
        self.asked += [(str(flow), seconds) for flow in flows]
        return [Observation(self._verdict(flow), 0.0, "as it is") for flow in flows]

    @contextmanager
    def watched(self, step: Step, in_force: Sequence[Policy] | None, *rest: Any) -> Iterator[WatchedChange]:
        self.in_force.append(in_force)
        yield WatchedChange(None, None, None, False)

    def watch(self, lab: Any, servers: Any) -> Any:
        said = "its server read it" if self.one_way else None
        return SimpleNamespace(settle=list, reached=lambda flow, nonce, at_interface: said)

    def _verdict(self, flow: Flow) -> Verdict:
        if flow.destination in self.dead:
            return Verdict.DROPPED
        isolated = any(flow.destination.startswith(f"{policy.namespace}/") for policy in self.policies)
        return Verdict.DROPPED if isolated and not self.leaky else Verdict.FORWARDED


class Silent:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def planned(self, cells: int, done: int, seconds: float) -> None: ...
    def added(self, cells: int) -> None: ...
    def began(self, what: str) -> None: ...
    def finished(self, what: str) -> None: ...

    def noted(self, what: str) -> None:
        self.notes.append(what)


Run = Callable[..., Outcomes]


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def run(network: Network, monkeypatch: pytest.MonkeyPatch) -> Run:
    @contextmanager
    def lab(cases: Sequence[Case], *, keep: bool) -> Iterator[Any]:
        network.policies = ()
        yield SimpleNamespace(name="lab", kept=keep), {}

    monkeypatch.setattr(running, "_lab", lab)
    monkeypatch.setattr(running, "probe_all", network.ask)
    monkeypatch.setattr(step, "watched_change", network.watched)
    monkeypatch.setattr(sights, "probe_all", network.ask)
    monkeypatch.setattr(sights, "Watch", network.watch)

    def run(*cases: Case, held: Any = None) -> Outcomes:
        return Conformance(cases, [network], find("plain"), Silent()).run(held)

    return run


def test_a_case_passes_where_flows_fare_as_both_oracles_say(run: Run) -> None:
    outcomes = run(TRUE)
    (result,) = outcomes.results
    assert (result.outcome, result.reason, result.evidence, result.rule) == (CaseOutcome.PASS, "", "isolated x 1", "np.yaml:1")
    assert outcomes.convergence == {"network": [0.002]}
    assert outcomes.control == {Verdict.FORWARDED: 2}


def test_the_twin_is_asked_before_and_after_and_nothing_else_twice(run: Run, network: Network) -> None:
    run(TRUE)
    on_plane = [flow for flow, _ in network.asked[2:]]
    assert on_plane == [str(ALLOWED), str(DENIED), str(ALLOWED)]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("leaky", "observed forwarded"),
        ("blind", "has no record"),
        ("refuses", "no room"),
        ("crashes", "the data plane's program failed: KeyError: \"a bug of the plane's\" at "),
        ("one_way", "observed dropped (as it is), yet its server read it"),
    ],
)
def test_a_plane_that_does_not_do_what_it_claims_fails(run: Run, network: Network, fault: str, said: str) -> None:
    setattr(network, fault, True)
    (result,) = run(TRUE).results
    assert result.outcome is CaseOutcome.FAIL
    assert said in result.reason


def test_a_flow_that_fails_on_the_control_makes_an_error_and_the_plane_is_not_asked(run: Run, network: Network) -> None:
    network.dead = frozenset({SERVER})
    (result,) = run(TRUE).results
    assert result.outcome is CaseOutcome.ERROR
    assert "on plain, where nothing denies" in result.reason
    assert network.applied == 0


def test_a_case_that_contradicts_the_oracles_is_an_error_that_names_both(run: Run, network: Network) -> None:
    wrong = case("wrong", ([ISOLATED], {DENIED: Verdict.FORWARDED}))
    (result,) = run(wrong).results
    assert result.outcome is CaseOutcome.ERROR
    assert "oracle direct says dropped" in result.reason
    assert "oracle sets says dropped" in result.reason
    assert network.asked == []


def test_what_a_plane_does_not_support_is_declared_and_not_run(run: Run, network: Network) -> None:
    network.udp = No("TCP alone")
    (result,) = run(case("udp", ([], {Flow(CLIENT, SERVER, 53, "UDP"): Verdict.FORWARDED}))).results
    assert (result.outcome, network.asked) == (CaseOutcome.UNSUPPORTED, [])
    assert "TCP alone" in result.reason


def test_steps_replace_policies_and_a_case_ends_at_its_first_wrong_step(run: Run, network: Network) -> None:
    steps = ([ISOLATED], {DENIED: Verdict.DENIED}), ([], {DENIED: Verdict.FORWARDED})
    assert run(case("steps", *steps)).results[0].outcome is CaseOutcome.PASS
    assert network.applied == 2
    network.leaky = True
    assert run(case("steps", *steps)).results[0].outcome is CaseOutcome.FAIL
    assert network.applied == 3


def test_what_was_in_force_before_is_not_known_after_a_failure(run: Run, network: Network) -> None:
    allows = case("allows", ([], {DENIED: Verdict.FORWARDED}))
    network.blind = True
    run(allows, TRUE, allows)
    assert network.in_force == [(), (), None]


def test_results_come_in_the_order_of_the_cases_whatever_became_of_them(run: Run) -> None:
    wrong = case("a-wrong", ([], {DENIED: Verdict.DENIED}))
    assert [result.case for result in run(TRUE, wrong).results] == ["policy/true", "policy/a-wrong"]


def test_a_kept_lab_is_handed_over_with_its_results(run: Run) -> None:
    seen = []
    run(TRUE, held=lambda lab, results: seen.append((lab.kept, [result.outcome for result in results])))
    assert seen == [(True, [CaseOutcome.PASS])]
