"""One step of a case in a lab: its policies are put in force, and each of its flows and packets is asked once."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from harness.campaign.conformance.apply import applied
from harness.campaign.conformance.calls import call_sights, calls_kept
from harness.campaign.conformance.canary import watched_change
from harness.campaign.conformance.earlier import ask_over, kept_open
from harness.campaign.conformance.exchanges import judge_exchanges_on
from harness.campaign.conformance.packets import judge_packets_on
from harness.campaign.conformance.routed import judge_requests_on
from harness.campaign.conformance.sights import sights
from harness.dataplanes.port import Attachment, DataPlane
from harness.judge.conformance import Judgement, Sight, judge
from harness.judge.packets import together
from harness.lab.port import Lab
from harness.model.canary import CanarySeen
from harness.model.case import Step
from harness.model.cilium import Policy
from harness.model.flow import Flow
from harness.model.verdict import Answer
from harness.traffic.arrivals import Responder
from harness.traffic.asker import Asker
from harness.traffic.calls.asking import Calls
from harness.traffic.calls.programs import CallPrograms
from harness.traffic.port import LoadFailed


@dataclass(slots=True)
class Site:
    """A lab where cases are judged on a data plane; ``servers`` are the responders, by pod.

    ``in_force`` are the policies that are seen to be, None where that is not known; ``askers`` the programs for calls.
    """

    plane: DataPlane
    lab: Lab
    servers: Mapping[str, Responder]
    attachment: Attachment
    in_force: Sequence[Policy] | None = ()
    askers: Sequence[Asker] = ()

    @property
    def call_programs(self) -> CallPrograms | None:
        """Those that make and take calls of gRPC, None where no case makes any."""
        return next((each.programs for each in self.askers if isinstance(each, Calls)), None)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a step came to. ``seconds``: until its policies were in force; ``canary``: a flow that they deny, if one turned."""

    judgement: Judgement
    seconds: float
    canary: CanarySeen | None


def judge_step(step: Step, site: Site, answers: Mapping[Flow, Answer]) -> Judged:
    """Put a step in force and judge it. ``answers`` are the oracle's.

    Raises DataPlaneError where it is not in force; LabError and LoadFailed where something could not be, or was not, asked.
    """
    plane, lab, servers, attachment = site.plane, site.lab, site.servers, site.attachment
    before, site.in_force = site.in_force, None
    with watched_change(step, before, plane, lab, servers) as change:
        # the policies of the step before are in force
        with kept_open(step, lab, servers) as earlier, ExitStack() as stack:
            kept = [stack.enter_context(calls_kept(step, asker)) for asker in site.askers]
            revision = change.make(partial(applied, attachment, step.policies, step.routing))
            over_earlier = ask_over(earlier, lab, servers, attachment)
            over_earlier += [sight for each in kept if each is not None for sight in each.sights(attachment)]
        change.end()
        seen = [*over_earlier, *sights(step, plane, lab, attachment, servers, site.askers)]
        seen += [sight for asker in site.askers for sight in call_sights(step, plane, lab, attachment, servers, asker)]
        in_time, canary = change.judged(answers)
    all_asked(step, seen)
    judgement = together(judge(seen, answers), in_time)
    if step.packets:
        judgement = together(judgement, judge_packets_on(step, lab, attachment, answers))
    if step.exchanges:
        judgement = together(judgement, judge_exchanges_on(step, lab, servers, attachment, lab.topology))
    if step.requests:
        judgement = together(judgement, judge_requests_on(step, lab, servers, attachment, site.call_programs))
    if not judgement.faults:
        site.in_force = step.policies
    return Judged(judgement, revision.seconds, canary)


def all_asked(step: Step, seen: Sequence[Sight]) -> None:
    """Raise LoadFailed where nobody asked what the step expects something of: it would pass unseen."""
    asked = {sight.expectation for sight in seen}
    for each in step.expectations:
        if each not in asked:
            raise LoadFailed(f"{each.origin}: {each.flow}: nobody asked this ({each.opened})")
