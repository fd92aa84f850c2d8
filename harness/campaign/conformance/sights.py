"""What is seen of a step's flows: asked once each by their clients, watched at their servers, told by the data plane."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.campaign.conformance.calls import is_call
from harness.campaign.conformance.features import manner
from harness.dataplanes.port import Attachment, DataPlane
from harness.judge.conformance import Sight, admitted, twins
from harness.lab.port import Lab
from harness.model.bench import Expectation, Opened
from harness.model.case import Step
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.peers import ALONE, Peers
from harness.traffic.arrivals import Responder, Watch
from harness.traffic.asker import Asker
from harness.traffic.probe import SILENCE, Observation, probe_all

ADMITTED_SECONDS = 0.9
"""For a flow that should get an answer, if only a refusal: one SYN is sent in that time. Where silence is expected, SILENCE is
enough: a wrong admission that took longer would pass for silence, but its server has it, and the data plane has no record."""


def sights(
    step: Step,
    plane: DataPlane,
    lab: Lab,
    attachment: Attachment,
    servers: Mapping[str, Responder],
    askers: Sequence[Asker] = (),
    peers: Peers = ALONE,
) -> list[Sight]:
    """Ask the allowed flows, then the denied ones, then the allowed ones that are most like those once more.

    Calls are left to conformance_calls; ``askers`` have their servers, which answer HTTP at the same ports. Where nodes are
    machines, ``peers`` have the other nodes: each flow is asked where its client is, and looked for where its server is.
    """
    fresh = [each for each in step.expectations if each.opened is Opened.NOW and not is_call(each.flow)]
    allowed = [each for each in fresh if admitted(each)]
    denied = [each for each in fresh if not admitted(each)]
    silent = [each for each in denied if manner(each, plane) is Verdict.DROPPED]
    answered = [each for each in denied if manner(each, plane) is not Verdict.DROPPED]

    def look(expectations: Sequence[Expectation], seconds: float) -> list[tuple[Expectation, Observation]]:
        asked = ask_together([each.flow for each in expectations], lab, peers, seconds)
        return list(zip(expectations, asked, strict=True))

    before = look(allowed, ADMITTED_SECONDS)
    watch, arrivals = Watch(lab, servers), [asker.watch() for asker in askers]
    refused = look(answered, ADMITTED_SECONDS) + look(silent, SILENCE)
    watch.settle(each.flow.destination for each in denied if peers is ALONE or each.flow.destination in servers)
    after = look(twins(fresh), ADMITTED_SECONDS)

    def reached(each: Expectation, seen: Observation) -> str | None:
        silent = manner(each, plane) is Verdict.DROPPED
        called = filter(None, (those.reached(each.flow, seen.nonce) for those in arrivals))
        return next(called, None) or watch.reached(each.flow, seen.nonce, at_interface=silent)

    told = _told_together(refused, lambda each: attachment.evidence(each.flow), reached, servers, peers)
    return [
        *(Sight(each, seen.verdict, seen.detail, status=seen.status) for each, seen in before),
        *(
            Sight(
                each, seen.verdict, seen.detail, manner=manner(each, plane), status=seen.status, evidence=evidence, reached=came
            )
            for (each, seen), (evidence, came) in zip(refused, told, strict=True)
        ),
        *(Sight(each, seen.verdict, seen.detail, after=True, status=seen.status) for each, seen in after),
    ]  # fmt: skip


def ask_together(flows: Sequence[Flow], lab: Lab, peers: Peers, seconds: float) -> list[Observation]:
    """What became of ``flows``, each asked at the node of its client."""
    if peers is ALONE:
        return probe_all(flows, lab, seconds)
    here = {pod.pod.ref for node in lab.nodes for pod in node.pods}
    mine = {number: flow for number, flow in enumerate(flows) if flow.source in here}
    asked = zip(mine, probe_all(list(mine.values()), lab, seconds), strict=True)
    seen = peers.together({str(number): asdict(observation) for number, observation in asked})
    return [
        Observation(**seen[str(number)] | {"verdict": Verdict(seen[str(number)]["verdict"])}) for number in range(len(flows))
    ]


def _told_together(
    refused: Sequence[tuple[Expectation, Observation]],
    evidence: Callable[[Expectation], Evidence | None],
    reached: Callable[[Expectation, Observation], str | None],
    servers: Mapping[str, Responder],
    peers: Peers,
) -> list[tuple[Evidence | None, str | None]]:
    """What data planes say of flows that were refused, and what reached their servers."""
    mine: dict[str, Any] = {}
    for number, (each, seen) in enumerate(refused):
        said = None if seen.verdict is Verdict.FORWARDED else evidence(each)
        mine[f"evidence {number}"] = None if said is None else asdict(said)
        here = peers is ALONE or each.flow.destination in servers
        mine[f"reached {number}"] = reached(each, seen) if here else None
    told = peers.together(mine)
    found = []
    for number in range(len(refused)):
        said = told[f"evidence {number}"]
        found.append((None if said is None else Evidence(**said), told[f"reached {number}"]))
    return found
