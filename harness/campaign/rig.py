"""Every arm of a block at once, each attached in a lab of its own, so that they can take turns load by load."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from harness.campaign.bench_features import routes
from harness.campaign.plan import Arm
from harness.dataplanes.port import Attachment, DataPlane, DataPlaneError
from harness.lab.netns import up
from harness.lab.port import Lab, LabError
from harness.lab.service_addresses import service_addresses
from harness.model.bench import BenchScenario
from harness.traffic.nginx import serve

FAMILIES = (4, 6)
"""In the order in which a Service's addresses are listed."""


@contextmanager
def labs(arms: Sequence[Arm], scenarios: Sequence[BenchScenario]) -> Iterator[Mapping[str, Lab]]:
    """A lab for each arm, by its name, with nginx in every pod: a probe meets an answer wherever policy lets it through."""
    with ExitStack() as stack:
        made = {}
        for arm in arms:
            made[arm.name] = lab = stack.enter_context(up(scenarios[0].topology))
            for port in sorted({scenario.port for scenario in scenarios}):
                for pod in lab.pods:
                    stack.enter_context(serve(pod, port, lab.folder))
        yield made


@dataclass(slots=True)
class Rig:
    """The arms that are attached. ``broken`` says of an arm why it is not, or why it no longer can be measured."""

    labs: Mapping[str, Lab]
    attachments: dict[str, Attachment] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def apply(self, scenario: BenchScenario, arms: Sequence[Arm], planes: Mapping[str, DataPlane]) -> None:
        """Put the scenario's policies and routes in force on every arm of ``arms`` that works."""
        for arm in arms:
            if arm.name in self.attachments and arm.name not in self.broken:
                try:
                    put_in_force(self.attachments[arm.name], scenario, planes[arm.dataplane])
                except (LabError, DataPlaneError) as error:
                    self.broken[arm.name] = str(error)


def put_in_force(attachment: Attachment, scenario: BenchScenario, plane: DataPlane) -> None:
    """The scenario's policies, and its routes where the plane has any. Raises LabError, DataPlaneError."""
    if scenario.front is not None and routes(plane):
        attachment.apply(scenario.policies, scenario.routing)
    else:
        attachment.apply(scenario.policies)


def asked_at(lab: Lab, scenario: BenchScenario, plane: DataPlane, family: int) -> tuple[str, int]:
    """The address and port that the scenario's client asks: its Service's, else its server's."""
    if scenario.front is not None and routes(plane):
        addresses = service_addresses(scenario.routing.services, lab.topology)[scenario.front.service]
        return addresses[FAMILIES.index(family)], scenario.front.port
    return lab.pod(scenario.server).pod.ip(family), scenario.port


@contextmanager
def attached(arms: Sequence[Arm], labs: Mapping[str, Lab], planes: Mapping[str, DataPlane]) -> Iterator[Rig]:
    """Attach every arm in its lab, in their order. One that cannot be attached is ``broken``; the others go on."""
    with ExitStack() as stack:
        rig = Rig(labs)
        for arm in arms:
            try:
                rig.attachments[arm.name] = stack.enter_context(planes[arm.dataplane].attach(labs[arm.name]))
            except (LabError, DataPlaneError) as error:
                rig.broken[arm.name] = str(error)
        yield rig
