"""A scenario's reachability matrix, probed on the data plane that is attached: each cell once, never again."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from harness.dataplanes.port import Attachment, DataPlane, Feature, No, Yes
from harness.lab.port import Lab
from harness.model.bench import BenchScenario, Expectation
from harness.model.flow import Verdict
from harness.traffic.probe import Observation, probe

PROBES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of the matrix as run.json has it."""

    scenario: str
    dataplane: str
    flow: str
    source: str
    destination: str
    port: int
    family: int
    expected: str
    observed: str
    outcome: str
    evidence: str
    reason: str
    rule: str

    def as_record(self) -> Mapping[str, object]:
        """As a JSON object."""
        return asdict(self)


def check(scenario: BenchScenario, lab: Lab, plane: DataPlane, attachment: Attachment) -> Sequence[Row]:
    """Probe every expectation. On a plane that enforces no policy every probe must get through: it is the control."""

    def observe(expectation: Expectation) -> Observation:
        flow = expectation.flow
        return probe(flow, lab.pod(flow.source), lab.pod(flow.destination))

    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        observations = list(pool.map(observe, scenario.expectations))
    return [
        _judge(scenario, plane, attachment, expectation, observation)
        for expectation, observation in zip(scenario.expectations, observations, strict=True)
    ]


def _judge(
    scenario: BenchScenario, plane: DataPlane, attachment: Attachment, expectation: Expectation, observation: Observation
) -> Row:
    flow, observed = expectation.flow, observation.verdict
    support = plane.supports(Feature.POLICY_TCP)
    expected, evidence, rule = expectation.verdict, "", ""
    outcome, reason = "pass", ""
    if not isinstance(support, Yes):
        # the control: a probe that fails here would make a denial elsewhere prove nothing
        if observed is not Verdict.FORWARDED:
            outcome, reason = "fail", f"nothing here denies, yet: {observation.detail}"
        elif not expected.admits(observed):
            outcome, reason = "unsupported", support.reason if isinstance(support, No) else support.error
    elif not expected.admits(observed):
        outcome, reason = "fail", f"{expectation.origin}: expected {expected}, observed {observed}: {observation.detail}"
    elif observed is not Verdict.FORWARDED:
        found = attachment.evidence(flow)
        if found is None:
            outcome, reason = "fail", f"{observed}, but {plane.name} has no record of denying it"
        else:
            evidence, rule = found.reason, found.rule or ""
        if support.denies is not None and observed is not support.denies:
            outcome, reason = "fail", f"{plane.name} says that it denies by {support.denies}; it was {observed}"
    return Row(
        scenario.name, plane.name, str(flow), flow.source, flow.destination, flow.port, flow.family,
        str(expected), str(observed), outcome, evidence, reason, rule,
    )  # fmt: skip
