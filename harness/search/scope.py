"""What is drawn for a data plane: what it claims, less the crafts of packets of which failures are known."""

from pathlib import Path

from harness.campaign.conformance.features import BY_PROTOCOL
from harness.dataplanes.port import DataPlane, Feature, Yes
from harness.manifests.case import load_cases
from harness.manifests.expectations import load_expectations
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.topology import load_topology
from harness.model.case import CaseOutcome
from harness.model.crafts import CRAFTS
from harness.search.drafts import Scope
from harness.search.expected import PLAIN
from harness.search.vocabulary import SMALL

TOPOLOGY = "small"


def scope_of(plane: DataPlane) -> Scope:
    """The scope of a search on ``plane``. Raises ManifestError where the shipped cases cannot be read."""

    def claims(feature: Feature) -> bool:
        return isinstance(plane.supports(feature), Yes)

    protocols = tuple(name for name, feature in BY_PROTOCOL.items() if claims(feature))
    families = (4, 6) if claims(Feature.IPV6) else (4,)
    known = known_crafts(plane)
    return Scope(
        load_topology(shown(SCENARIOS / "topologies" / f"{TOPOLOGY}.yaml")),
        SMALL,
        protocols,
        families,
        cilium=claims(Feature.POLICY_CILIUM) and claims(Feature.POLICY_DENY),
        crafts=tuple(
            name
            for name, craft in CRAFTS.items()
            if name not in known and craft.protocol in protocols and set(craft.families) & set(families)
        ),
    )


def known_crafts(plane: DataPlane) -> frozenset[str]:
    """Crafts that shipped cases ask about which are known to fail on ``plane``: the search would find nothing else.

    Crafts that sockets would send as well stand in most cases, as twins; they are meant where a case has no others.
    """
    conformance = SCENARIOS / "conformance"
    listed = load_expectations(shown(conformance / "expectations.yaml"))
    failing = [each.case for each in listed if each.dataplane == plane.name and each.outcome is CaseOutcome.FAIL]
    places: list[Path] = [conformance / case for case in failing if (conformance / case).is_dir()]
    crafts: set[str] = set()
    for case in load_cases(places) if places else ():
        mine = {each.packet.craft for step in case.steps for each in step.packets}
        crafts |= mine - set(PLAIN) or mine
    return frozenset(crafts)
