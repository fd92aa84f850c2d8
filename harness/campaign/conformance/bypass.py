"""Cases of the bypass catalogue: each tries a way around policy, on the control first and then, alike, on a data plane.

No feature is asked of the data plane: a sidecar that declares UDP unsupported lets UDP through all the same. A denial needs no
record of the plane's own, as what gets around a plane may be unknown to it. Instead the control must deliver, in a lab of its
own, after the very same tampering and over the same older connections: what is silent then is so because of the data plane.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from harness.campaign.conformance.apply import applied
from harness.campaign.conformance.features import manner
from harness.campaign.conformance.oracles import Consulted
from harness.campaign.conformance.packets import expected_packets, judge_packets_on, packets_on_control
from harness.dataplanes.port import Attachment, DataPlane, DataPlaneError
from harness.judge.conformance import Judgement, Sight, admitted, judge, refused, twins
from harness.judge.packets import together
from harness.lab import netns
from harness.lab.port import Lab, LabError
from harness.lab.processes import started
from harness.model.bench import Expectation, Opened
from harness.model.bypass import Tamper
from harness.model.case import Case, CaseOutcome, Step
from harness.model.flow import Evidence, Flow, Verdict
from harness.traffic.arrivals import Responder, Watch
from harness.traffic.held import HeldConnection, held
from harness.traffic.port import LoadFailed
from harness.traffic.probe import Observation, probe_all
from harness.traffic.responder import serve_all
from harness.traffic.tampering import tamper_with

SECONDS = 0.9
UNRECORDED = "no record of its own; delivered on the control under the same conditions"

Told = Callable[[Case, DataPlane, CaseOutcome, str, Judgement | None], None]
Held = dict[Flow, HeldConnection]


@dataclass(frozen=True, slots=True)
class _Tried:
    """A lab in which a case is tried: its servers by pod, and the connections that are older than the data plane."""

    lab: Lab
    attachment: Attachment
    servers: Mapping[str, Responder]
    older: Held


def judge_bypass(case: Case, planes: Sequence[DataPlane], control: DataPlane, consulted: Consulted, tell: Told) -> None:
    """Try one case on the control, then on all planes at once, each in a fresh lab: what is tampered with serves no other."""
    try:
        astray = _on_control(case, control)
    except (LabError, DataPlaneError, LoadFailed) as error:
        astray = f"{case.origin}: control: {error}"

    def on(plane: DataPlane) -> None:
        if astray:
            tell(case, plane, CaseOutcome.ERROR, astray, None)
            return
        try:
            judged = _on_plane(case, plane, consulted)
        except (LabError, DataPlaneError, LoadFailed) as error:
            tell(case, plane, CaseOutcome.ERROR, f"{case.origin}: {error}", None)
        else:
            outcome = CaseOutcome.FAIL if judged.faults else CaseOutcome.PASS
            tell(case, plane, outcome, "\n".join(judged.faults), judged)

    with ThreadPoolExecutor(max(1, len(planes))) as pool:
        list(pool.map(on, planes))


@contextmanager
def _attached(case: Case, plane: DataPlane) -> Iterator["_Tried"]:
    """A lab with servers, then the connections that are older than the data plane, then the data plane."""
    expectations = [each for step in case.steps for each in step.expectations]
    ports = {each.flow.port for each in expectations} | {each.packet.port for each in expected_packets([case])}
    with ExitStack() as stack:
        lab = stack.enter_context(netns.up(case.topology))
        servers = stack.enter_context(serve_all(lab.pods, sorted(ports - {0})))
        older = {each.flow: stack.enter_context(held(each.flow, lab)) for each in expectations if each.opened is Opened.BEFORE}
        yield _Tried(lab, stack.enter_context(plane.attach(lab)), servers, older)


def _on_control(case: Case, control: DataPlane) -> str:
    """What did not get through where nothing denies, a line each."""
    astray = []
    with _attached(case, control) as tried:
        for step in case.steps:
            _tamper(step, tried.lab, tried.attachment)
            for each, seen in _ask(step.expectations, tried.lab, tried.older):
                if seen.verdict is not Verdict.FORWARDED:
                    astray.append(f"{each.flow}: {seen.verdict} ({seen.detail}) on {control.name}, where nothing denies")
        astray += packets_on_control([case], tried.lab).values()
    return "\n".join(astray)


def _on_plane(case: Case, plane: DataPlane, consulted: Consulted) -> Judgement:
    """The judgement of the first step that is not as it should be, or of the last."""
    judged = Judgement((), "", None)
    with _attached(case, plane) as tried:
        for step, answers in zip(case.steps, consulted.answers, strict=True):
            try:
                applied(tried.attachment, step.policies)
            except DataPlaneError as error:  # it claims to be able to
                return refused(f"{step.origin}: the policies are not in force: {error}")
            _tamper(step, tried.lab, tried.attachment)
            judged = judge(_sights(step, plane, tried), answers)
            if step.packets:
                judged = together(judged, judge_packets_on(step, tried.lab, tried.attachment, answers))
            if judged.faults:
                break
    return judged


def _tamper(step: Step, lab: Lab, attachment: Attachment) -> None:
    """Raises LabError also where a proxy survives its end: what is found after it would be found in vain."""
    for each in step.tampering:
        tamper_with(lab, each.pod, each.run)
        if each.run is Tamper.KILL_PROXY:
            await_end(
                each.pod, [pid for part in attachment.components() if part.place is lab.pod(each.pod) for pid in part.pids]
            )


def await_end(pod: str, pids: Sequence[int]) -> None:
    """SIGKILL is delivered in its own time: a big process gives its memory back first."""
    deadline = time.monotonic() + SECONDS
    while alive := [pid for pid in pids if started(pid)]:
        if time.monotonic() > deadline:
            raise LabError(f"{pod}: the proxy was to be killed, and process {alive[0]} of the data plane still runs there")
        time.sleep(0.01)


def _sights(step: Step, plane: DataPlane, tried: _Tried) -> list[Sight]:
    allowed = [each for each in step.expectations if admitted(each)]
    denied = [each for each in step.expectations if not admitted(each)]
    before = _ask(allowed, tried.lab, tried.older)
    watch = Watch(tried.lab, tried.servers)
    refused = _ask(denied, tried.lab, tried.older)
    watch.settle(each.flow.destination for each in denied)
    again = [each for each in twins(step.expectations) if each.opened is Opened.NOW]
    return [
        *(Sight(each, seen.verdict, seen.detail) for each, seen in before),
        *(
            Sight(
                each, seen.verdict, seen.detail, _evidence(each, seen, plane, tried.attachment),
                reached=watch.reached(each.flow, seen.nonce, at_interface=_at_interface(each, plane)),
            )
            for each, seen in refused
        ),
        *(Sight(each, seen.verdict, seen.detail, after=True) for each, seen in _ask(again, tried.lab, {})),
    ]  # fmt: skip


def _at_interface(each: Expectation, plane: DataPlane) -> bool:
    """Whether what comes in at the server's interface got around. Of an older connection no first packet comes any more."""
    return each.opened is Opened.NOW and manner(each, plane) is Verdict.DROPPED


def _evidence(each: Expectation, seen: Observation, plane: DataPlane, attachment: Attachment) -> Evidence | None:
    if seen.verdict is Verdict.FORWARDED:
        return None
    return attachment.evidence(each.flow) or Evidence(plane.name, UNRECORDED)


def _ask(expectations: Sequence[Expectation], lab: Lab, older: Held) -> list[tuple[Expectation, Observation]]:
    """Each once: over its older connection, or by a client of its credentials."""
    seen: list[tuple[Expectation, Observation]] = []
    fresh = [each for each in expectations if each.opened is Opened.NOW]
    for credentials in dict.fromkeys(each.credentials for each in fresh):
        mine = [each for each in fresh if each.credentials == credentials]
        seen += zip(mine, probe_all([each.flow for each in mine], lab, SECONDS, credentials), strict=True)
    seen += [(each, older[each.flow].ask()) for each in expectations if each.opened is not Opened.NOW]
    return seen
