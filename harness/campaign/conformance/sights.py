"""What is seen of a step's flows: asked once each by their clients, watched at their servers, told by the data plane."""

from collections.abc import Mapping, Sequence

from harness.campaign.conformance.calls import is_call
from harness.campaign.conformance.features import manner
from harness.dataplanes.port import Attachment, DataPlane
from harness.judge.conformance import Sight, admitted, twins
from harness.lab.port import Lab
from harness.model.bench import Expectation, Opened
from harness.model.case import Step
from harness.model.flow import Verdict
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
) -> list[Sight]:
    """Ask the allowed flows, then the denied ones, then the allowed ones that are most like those once more.

    Calls are left to conformance_calls; ``askers`` have their servers, which answer HTTP at the same ports.
    """
    fresh = [each for each in step.expectations if each.opened is Opened.NOW and not is_call(each.flow)]
    allowed = [each for each in fresh if admitted(each)]
    denied = [each for each in fresh if not admitted(each)]
    silent = [each for each in denied if manner(each, plane) is Verdict.DROPPED]
    answered = [each for each in denied if manner(each, plane) is not Verdict.DROPPED]

    def look(expectations: Sequence[Expectation], seconds: float) -> list[tuple[Expectation, Observation]]:
        return list(zip(expectations, probe_all([each.flow for each in expectations], lab, seconds), strict=True))

    before = look(allowed, ADMITTED_SECONDS)
    watch, arrivals = Watch(lab, servers), [asker.watch() for asker in askers]
    refused = look(answered, ADMITTED_SECONDS) + look(silent, SILENCE)
    watch.settle(each.flow.destination for each in denied)
    after = look(twins(fresh), ADMITTED_SECONDS)

    def reached(each: Expectation, seen: Observation) -> str | None:
        silent = manner(each, plane) is Verdict.DROPPED
        called = filter(None, (those.reached(each.flow, seen.nonce) for those in arrivals))
        return next(called, None) or watch.reached(each.flow, seen.nonce, at_interface=silent)

    return [
        *(Sight(each, seen.verdict, seen.detail, status=seen.status) for each, seen in before),
        *(
            Sight(
                each, seen.verdict, seen.detail, manner=manner(each, plane), status=seen.status,
                evidence=None if seen.verdict is Verdict.FORWARDED else attachment.evidence(each.flow),
                reached=reached(each, seen),
            )
            for each, seen in refused
        ),
        *(Sight(each, seen.verdict, seen.detail, after=True, status=seen.status) for each, seen in after),
    ]  # fmt: skip
