"""Judges drafts in one lab on a data plane, beside a lab where nothing denies; each draft as the case that it would be."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.campaign.conformance.features import obstacle
from harness.campaign.conformance.oracles import consult
from harness.campaign.conformance.sights import ADMITTED_SECONDS
from harness.campaign.conformance.step import Site, judge_step
from harness.dataplanes.port import DataPlane, DataPlaneError
from harness.judge.conformance import Judgement, refused
from harness.lab import netns
from harness.lab.addressing import plan
from harness.lab.port import LabError
from harness.manifests.case import load_cases
from harness.model.case import Case
from harness.model.flow import Flow, Verdict
from harness.model.packet import Arrived, CraftedPacket
from harness.model.topology import Topology
from harness.search.captures import Recording
from harness.search.drafts import Draft, Scope
from harness.search.expected import OraclesDisagree, expected
from harness.search.shrinking import Failure, NothingLearnt
from harness.search.writing import Told, written
from harness.traffic.packet.shooting import shoot
from harness.traffic.port import LoadFailed
from harness.traffic.probe import probe_all
from harness.traffic.responder import serve_all

PASSING = Told("An example of a search", "conform --search")


@contextmanager
def site(plane: DataPlane, topology: Topology, ports: Sequence[int]) -> Iterator[Site]:
    """A lab with servers in all pods, and the plane attached. Raises LabError, DataPlaneError."""
    with ExitStack() as stack:
        lab = stack.enter_context(netns.up(topology))
        servers = stack.enter_context(serve_all(lab.pods, sorted(ports)))
        yield Site(plane, lab, servers, stack.enter_context(plane.attach(lab)))


class Control:
    """What becomes of flows and packets where nothing denies; each is asked once in a search."""

    def __init__(self, where: Site) -> None:
        self._lab = where.lab
        self._name = where.plane.name
        self._flows: dict[Flow, str] = {}
        self._packets: dict[CraftedPacket, bool | None] = {}

    def ask(self, flows: Iterable[Flow], packets: Iterable[CraftedPacket]) -> None:
        """Ask those that are new, all at once. Raises LoadFailed."""
        new = [flow for flow in flows if flow not in self._flows]
        for flow, seen in zip(new, probe_all(new, self._lab, ADMITTED_SECONDS), strict=True):
            self._flows[flow] = "" if seen.verdict is Verdict.FORWARDED else f"{flow}: {seen.verdict} on {self._name}"
        fresh = [packet for packet in packets if packet not in self._packets]
        for packet, landing in zip(fresh, shoot(fresh, self._lab), strict=True):
            part = landing.arrived is Arrived.PART
            self._packets[packet] = None if part else landing.arrived is Arrived.WHOLE

    def delivers(self, packet: CraftedPacket) -> bool | None:
        """See ``harness.search.expected.Delivers``. Raises LoadFailed."""
        self.ask((), (packet,))
        return self._packets[packet]

    def unreached(self, flows: Iterable[Flow]) -> list[str]:
        """What did not get through."""
        return [self._flows[flow] for flow in flows if self._flows[flow]]


class Trials:
    """Both labs, and how a draft is judged in them. ``folder`` is for the files of one example after another."""

    def __init__(self, scope: Scope, where: Site, control: Control, folder: Path) -> None:
        self._scope = scope
        self._site = where
        self._control = control
        self._folder = folder
        self._topology = plan(scope.topology).topology

    def judge(self, draft: Draft) -> Failure | None:
        """None where the plane does what both oracles expect, or does not claim to. Raises NothingLearnt."""
        try:
            self._control.ask(draft.flows, draft.packets)
            lost = self._control.unreached(draft.flows)
            if lost:
                raise NothingLearnt(f"where nothing denies, {'; '.join(lost)}")
            wanted = expected(draft, self._topology, self._scope.words.ports, self._control.delivers)
            if not wanted:
                return None
            case = load(written(self._folder, wanted, self._scope.topology.name, PASSING))
            judgement = None if obstacle(case, self._site.plane) else judged(case, self._site)
        except (LoadFailed, LabError, OraclesDisagree) as error:
            raise NothingLearnt(str(error)) from error
        if judgement is None or not judgement.faults:
            return None
        return Failure(draft, wanted, judgement)


def load(place: Path) -> Case:
    """The case that was written to ``place``. Raises ManifestError."""
    (case,) = load_cases([place])
    return case


def judged(case: Case, where: Site) -> Judgement:
    """A case of one step, asked once. Raises LoadFailed, LabError."""
    consulted = consult(case, plan(case.topology).topology)
    if consulted.contradictions:
        raise OraclesDisagree("; ".join(consulted.contradictions))
    (step,), (answers,) = case.steps, consulted.answers
    try:
        return judge_step(step, where, answers).judgement
    except DataPlaneError as error:  # it claims to support what the case asks for
        return refused(f"{step.origin}: the policies are not in force: {error}")


@contextmanager
def trials(scope: Scope, plane: DataPlane, control: DataPlane) -> Iterator[Trials]:
    """Both labs up. Raises LabError, DataPlaneError."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="meshproof-search-")))
        denies_nothing = Control(stack.enter_context(site(control, scope.topology, scope.words.ports)))
        yield Trials(scope, stack.enter_context(site(plane, scope.topology, scope.words.ports)), denies_nothing, folder)


def recorded(case: Case, scope: Scope, plane: DataPlane, folder: Path) -> tuple[Judgement, list[Path]]:
    """A case judged in a lab of its own, and the captures of all that its pods sent and got, written to ``folder``.

    Raises LabError, DataPlaneError, LoadFailed.
    """
    (step,) = case.steps
    asked: list[Flow | CraftedPacket] = [each.flow for each in step.expectations]
    asked += [each.packet for each in step.packets]
    clients = {each.source for each in asked}
    with site(plane, scope.topology, scope.words.ports) as where:
        with Recording(where.lab, clients | {each.destination for each in asked}) as recording:
            judgement = judged(case, where)
        return judgement, recording.save(folder, clients)
