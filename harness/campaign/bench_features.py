"""What a benchmark scenario asks of a data plane, so that a plane that lacks it is left out of it, with the reason."""

from collections.abc import Iterator, Mapping, Sequence

from harness.campaign.conformance.features import features_of
from harness.campaign.plan import Unsupported
from harness.dataplanes.port import DataPlane, Feature, No, Yes
from harness.model.bench import BenchScenario
from harness.model.origin import Origin


def routes(plane: DataPlane) -> bool:
    """Whether a plane has Services, and routes requests to them."""
    return isinstance(plane.supports(Feature.L7_ROUTING), Yes)


def lacking(scenario: BenchScenario, plane: DataPlane) -> str | None:
    """Why a scenario is not measured on a plane, or None.

    A plane without any policy is a control: it lets everything through, and is asked at the scenario's server itself.
    """
    if isinstance(plane.supports(Feature.POLICY_TCP), No):
        return None
    for feature, origin in _needs(scenario):
        answer = plane.supports(feature)
        if isinstance(answer, No):
            return f"{feature}: {answer.reason} (asked for at {origin})"
    return None


def _needs(scenario: BenchScenario) -> Iterator[tuple[Feature, Origin]]:
    for policy in scenario.policies:
        yield from features_of(policy)
    if scenario.front is not None:
        yield Feature.L7_ROUTING, scenario.origin
    if any(load.family == 6 for load in scenario.loads):
        yield Feature.IPV6, scenario.origin


def unsupported(scenarios: Sequence[BenchScenario], planes: Mapping[str, DataPlane]) -> tuple[Unsupported, ...]:
    """Each scenario with each plane (by name) on which it is not measured."""
    found = ((scenario.name, name, lacking(scenario, plane)) for scenario in scenarios for name, plane in planes.items())
    return tuple(Unsupported(scenario, name, reason) for scenario, name, reason in found if reason is not None)
