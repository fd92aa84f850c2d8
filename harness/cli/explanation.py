"""What ``meshproof explain`` does; its options are in ``explain``, which imports none of this for --help."""

from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

from harness.cli.status import say_not_judged
from harness.manifests.errors import Fault, ManifestError
from harness.manifests.flows import load_flows
from harness.manifests.objects import Loaded, load_manifests
from harness.manifests.requests import narrowed_rules
from harness.manifests.topology import load_topology
from harness.model.flow import Flow
from harness.model.origin import Origin
from harness.model.topology import Topology
from harness.model.verdict import Answer, Decision
from harness.oracle.direct import answer
from harness.report.explanation import explanation_json


def explained(manifests: Sequence[Path], topology: Path, flows: Path, *, strict: bool, as_json: bool) -> str:
    """The answers, as JSON or as a table; objects that are not judged are counted on standard error. Raises ManifestError."""
    policies, cluster, asked = _read(manifests, topology, flows, strict)
    say_not_judged([policies.not_judged])
    narrowed = set(narrowed_rules(policies.policies))
    answers = [(flow, answer(flow, policies.policies, cluster)) for flow in asked]
    answers = [(flow, given if flow.request else _with_reserve(given, narrowed)) for flow, given in answers]
    return explanation_json([each for _, each in answers]) if as_json else _table(answers)


def _read(manifests: Sequence[Path], topology: Path, flows: Path, strict: bool) -> tuple[Loaded, Topology, list[Flow]]:
    """All three kinds of files. Raises ManifestError with the faults of all of them, so that they can be mended at once."""
    faults: list[Fault] = []
    policies, cluster, asked = Loaded(()), None, []
    try:
        policies = load_manifests(manifests, strict=strict)
    except ManifestError as error:
        faults += error.faults
    try:
        cluster = load_topology(topology)
        asked = load_flows(flows, cluster)
    except ManifestError as error:
        faults += error.faults
    if faults or cluster is None:
        raise ManifestError(faults)
    return policies, cluster, asked


def _with_reserve(given: Answer, narrowed: Set[Origin]) -> Answer:
    """The answer for a connection, saying of each rule with rules about requests that a request may fare worse."""
    return replace(given, egress=_reserved(given.egress, narrowed), ingress=_reserved(given.ingress, narrowed))


def _reserved(decision: Decision, narrowed: Set[Origin]) -> Decision:
    if decision.rule not in narrowed:
        return decision
    return replace(decision, reason=f"{decision.reason}; its rules about requests are judged for a request")


def _table(answers: Sequence[tuple[Flow, Answer]]) -> str:
    """A line for each flow; below it what each end says."""
    width = max((len(str(flow)) for flow, _ in answers), default=0)
    lines = []
    for flow, given in answers:
        lines.append(f"{flow!s:{width}}  {given.verdict.value.upper()}")
        for name, decision in (("egress", given.egress), ("ingress", given.ingress)):
            rule = "" if decision.rule is None else f" ({decision.rule})"
            lines.append(f"  {name:7}  {decision.verdict.value}: {decision.reason}{rule}")
    return "\n".join(lines)
