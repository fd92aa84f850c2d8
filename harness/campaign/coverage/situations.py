"""The classes of what conformance cases hold beside policies: flows, packets, streams, changes, and ways around policy."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import combinations

from harness.campaign.conformance.packets import imitated_flow
from harness.campaign.coverage.requests import request_class
from harness.campaign.topologies import topologies
from harness.judge.conformance import admitted
from harness.model.bench import Expectation, Opened
from harness.model.case import Case, Step
from harness.model.churn import PodChange, PodCreated, PodDeleted, StreamExpectation
from harness.model.cilium import Policy
from harness.model.coverage import Pair
from harness.model.flow import Flow, Verdict, is_pod
from harness.model.origin import Origin
from harness.model.packet import CraftedPacket, PacketExpectation
from harness.model.topology import Pod, Topology
from harness.model.verdict import Answer
from harness.oracle import direct
from harness.oracle.misreadings.together import kind


def situations(case: Case, addressed: Topology) -> Iterator[Pair]:
    """Everything that a case asks about beside the values in its policies."""
    before: tuple[Step, Topology] | None = None
    for step, topology in zip(case.steps, topologies(case, addressed), strict=True):
        for expectation in step.expectations:
            answer = direct.answer(expectation.flow, step.policies, topology)
            if case.technique is None:
                older = _CALLED_OVER.get(expectation.opened, "") if expectation.flow.request is not None else ""
                yield Pair("flow", _flow_class(expectation.flow, answer, step.policies, topology) + older)
            else:
                yield Pair(f"technique {case.technique}", _way(expectation, step, answer))
        for packet in step.packets:
            field = f"packet {packet.packet.craft}" + (f" as technique {case.technique}" if case.technique else "")
            yield Pair(field, _packet_class(packet, step.policies, topology))
        yield from _told_apart(step, topology)
        for stream in step.stream_expectations:
            answer = direct.answer(stream.asked, step.policies, topology)
            opened = "opened now" if stream.stream in step.streams else "opened earlier"
            yield Pair("stream", f"{_stream_class(stream, step)}, {opened}, {decided(answer, step.policies)}")
        if before is not None:
            yield from _changed(before, step, topology)
        before = step, topology


def _flow_class(flow: Flow, answer: Answer, policies: Sequence[Policy], topology: Topology) -> str:
    asked = "" if flow.request is None else f" {request_class(flow.request)}"
    return f"{flow.protocol}{asked} over IPv{flow.family} {distance(flow, topology)}, {decided(answer, policies)}"


def distance(flow: Flow, topology: Topology) -> str:
    """How far its ends are from one another: data planes have other paths within a node than between nodes, or to itself."""
    if not (is_pod(flow.source) and is_pod(flow.destination)):
        return "to or from the world"
    if flow.source == flow.destination:
        return "to itself"
    here = topology.pod(flow.source).node == topology.pod(flow.destination).node
    return "within a node" if here else "between nodes"


def decided(answer: Answer, policies: Sequence[Policy]) -> str:
    """Which end decides, and by what: of a denied flow the first that denies, of an allowed one what both say."""
    ends = [("egress", answer.egress), ("ingress", answer.ingress)]
    denying = [(name, end) for name, end in ends if end.verdict is not Verdict.FORWARDED]
    said = [f"{name} {end.reason}{_by(end.rule, policies)}" for name, end in denying[:1] or ends if end.rule is not None]
    return "; ".join(said) or "no policy decides"


def _by(rule: Origin | None, policies: Sequence[Policy]) -> str:
    kinds = sorted({kind(each) for each in policies if rule in set(_origins(each))})
    return f" ({' or '.join(kinds)})" if kinds else ""


def _origins(value: object) -> Iterator[Origin]:
    if isinstance(value, Origin):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _origins(each)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _origins(getattr(value, field.name))


_STAYS_OPEN = {
    Opened.EARLIER: "a connection that stays open",
    Opened.ASKED: "a connection that stays open, its server speaking first",
}

_CALLED_OVER = {Opened.EARLIER: ", called over a connection that stays open", Opened.ASKED: ", called before"}


def _way(expectation: Expectation, step: Step, answer: Answer) -> str:
    """A way around policy is of an end: who the client is, what pods did, and which side denies."""
    flow = expectation.flow
    who = expectation.credentials
    asked = [f"{flow.protocol} over IPv{flow.family}", str(expectation.verdict)]
    asked += [f"uid {who.uid}, gid {who.gid}"] if who else []
    asked += ["over an older connection"] if expectation.opened is not Opened.NOW else []
    asked += sorted(f"{each.run} at {_end(each.pod, flow)}" for each in step.tampering)
    ends = (("egress", answer.egress), ("ingress", answer.ingress))
    denying = [name for name, end in ends if end.verdict is not Verdict.FORWARDED]
    return ", ".join([*asked, *denying])


def _end(pod: str, flow: Flow) -> str:
    return {flow.source: "the client", flow.destination: "the server"}.get(pod, "another pod")


def _packet_class(expectation: PacketExpectation, policies: Sequence[Policy], topology: Topology) -> str:
    packet = expectation.packet
    flow = imitated_flow(packet)
    answer = direct.answer(flow, policies, topology)
    claims = "" if packet.claims is None else f" as {_claimed(packet, topology)}"
    sent = f"IPv{packet.family} {distance(Flow(packet.source, packet.destination, packet.port), topology)}{claims}"
    control = "" if expectation.delivered else ", undelivered on the control"
    return f"{sent}, {expectation.verdict}{control}, {decided(answer, policies)}, {_back(flow, policies, topology)}"


def _claimed(packet: CraftedPacket, topology: Topology) -> str:
    claims = packet.claims or ""
    if not is_pod(claims):
        return "an address of nobody"
    if claims == packet.destination:
        return "the server itself"
    here = topology.pod(claims).node == topology.pod(packet.source).node
    return "a pod of its node" if here else "a pod of another node"


def _back(flow: Flow, policies: Sequence[Policy], topology: Topology) -> str:
    """Whether a connection the other way is allowed: then some of what comes might be an answer to it."""
    other = replace(flow, source=flow.destination, destination=flow.source)
    through = direct.answer(other, policies, topology).verdict is Verdict.FORWARDED
    return f"the other way {'allowed' if through else 'denied'}"


def _told_apart(step: Step, topology: Topology) -> Iterator[Pair]:
    """Pods that are alike in something, and of which the step expects different things at the same place."""
    asked = [each for each in step.expectations if is_pod(each.flow.source) and is_pod(each.flow.destination)]
    for one, other in combinations(asked, 2):
        if admitted(one) is admitted(other):
            continue
        for end, far in (("source", "destination"), ("destination", "source")):
            first, second = getattr(one.flow, end), getattr(other.flow, end)
            if replace(one.flow, **{end: second}) == other.flow and getattr(one.flow, far) not in (first, second):
                alike = _alike(topology.pod(first), topology.pod(second), topology)
                if alike:
                    denied = other if admitted(one) else one
                    why = decided(direct.answer(denied.flow, step.policies, topology), step.policies)
                    yield Pair(f"identity of a {end}", f"alike in {' and '.join(alike)}, {why}")


def _alike(one: Pod, other: Pod, topology: Topology) -> list[str]:
    alike = []
    if one.name == other.name:
        alike.append("name")
    elif one.name.startswith(other.name) or other.name.startswith(one.name):
        alike.append("the beginning of the name")
    if one.labels == other.labels:
        alike.append("labels")
    if one.namespace == other.namespace:
        alike.append("namespace")
    else:
        labels = {each.name: each.labels for each in topology.namespaces}
        alike += ["the namespace's labels"] if labels.get(one.namespace) == labels.get(other.namespace) else []
    if one.ports and {each.name for each in one.ports} == {each.name for each in other.ports}:
        alike.append("names of ports")
    alike += ["node"] if one.node == other.node else []
    return alike


def _stream_class(expectation: StreamExpectation, step: Step) -> str:
    come = {change.pod.ref for change in step.pods if isinstance(change, PodCreated)}
    owners = [word for word, end in (("from", expectation.asked.source), ("to", expectation.asked.destination)) if end in come]
    moved = f" {' and '.join(owners)} a new owner" if expectation.moved and owners else ""
    return f"{expectation.stream.protocol} over IPv{expectation.stream.family}{moved}, {expectation.verdict}"


def _changed(before: tuple[Step, Topology], step: Step, topology: Topology) -> Iterator[Pair]:
    """Changes between two steps, by each flow of the second that they open or shut, or that they leave as it is."""
    earlier, former = before
    what = ", ".join(_pods(step.pods, former)) if step.keeps else ", ".join(_difference(earlier.policies, step.policies))
    for expectation in step.expectations:
        effect = _effect(expectation.flow, admitted(expectation), earlier, former)
        back = _back(expectation.flow, step.policies, topology)
        older = f" over {_STAYS_OPEN[expectation.opened]}, {back}" if expectation.opened in _STAYS_OPEN else ""
        yield Pair(f"change of {'pods' if step.keeps else 'policies'}", f"{what}: {effect} {expectation.flow.protocol}{older}")
    for stream in step.stream_expectations:
        effect = _effect(stream.asked, stream.verdict is Verdict.FORWARDED, earlier, former)
        yield Pair("change under traffic", f"{what}: {effect} {_stream_class(stream, step)}")


def _effect(flow: Flow, through: bool, earlier: Step, former: Topology) -> str:
    try:
        was = direct.answer(flow, earlier.policies, former).verdict is Verdict.FORWARDED
    except KeyError:
        return "a pod that was not there, " + ("allowed" if through else "denied")
    if was is through:
        return "still allowed" if through else "still denied"
    return "opened" if through else "revoked"


def _pods(changes: Sequence[PodChange], former: Topology) -> Iterator[str]:
    """What became of pods; of one that takes the place of another, in what the two differ."""
    known = {pod.ref: pod for pod in former.pods}
    for change in changes:
        if isinstance(change, PodDeleted):
            yield "deleted"
            continue
        place = known.get(change.addresses_of or change.pod.ref)
        if place is None:
            yield "created"
            continue
        taken = "addresses" if change.addresses_of else "name"
        others = [field for field in ("name", "namespace", "node", "labels", "ports") if _differs(field, change.pod, place)]
        yield f"created with the {taken} of another, {' and '.join(others) or 'nothing'} different"


def _differs(field: str, one: Pod, other: Pod) -> bool:
    return bool(getattr(one, field) != getattr(other, field))


def _difference(earlier: Sequence[Policy], later: Sequence[Policy]) -> Iterator[str]:
    """What policies differ in: kinds that come or go, and the fields that differ in those of one name."""
    old, new = ({(kind(each), each.namespace, each.name): each for each in policies} for policies in (earlier, later))
    gone, come = sorted(old.keys() - new.keys(), key=str), sorted(new.keys() - old.keys(), key=str)
    if len(gone) == len(come) == 1 and gone[0][0] == come[0][0]:
        parts = sorted(set(_differing(old[gone[0]], new[come[0]])) - {"name"})
        yield f"{gone[0][0]} replaced by one of another name, {' and '.join(parts) or 'nothing'} different"
    else:
        yield from sorted({f"{name[0]} removed" for name in gone} | {f"{name[0]} added" for name in come})
    for name in sorted(old.keys() & new.keys(), key=str):
        yield from sorted({f"{name[0]} {field}" for field in _differing(old[name], new[name])})


def _differing(old: object, new: object, path: str = "") -> Iterator[str]:
    if old == new or isinstance(old, Origin):
        return
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            yield from _differing(one, other, path)
    elif is_dataclass(old) and is_dataclass(new) and type(old) is type(new):
        for field in fields(old):
            yield from _differing(getattr(old, field.name), getattr(new, field.name), f"{path}.{field.name}".lstrip("."))
    else:
        yield path
