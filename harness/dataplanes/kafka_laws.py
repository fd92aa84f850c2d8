"""What a node's Kafka proxy is told, from what the mesh granted."""

from collections.abc import Iterable

from harness.envoy.admission import Admission, Scope
from harness.kafka.rules import Allowance, Ports, Rule, Side
from harness.model.cilium import KafkaRule

# https://docs.cilium.io/en/stable/security/policy/language/#kafka-beta
_CONSUMER = ("fetch", "offsets", "metadata", "offsetcommit", "offsetfetch", "findcoordinator")
_GROUP = ("joingroup", "heartbeat", "leavegroup", "syncgroup")
ROLES = {"produce": ("produce", "metadata", "apiversions"), "consume": (*_CONSUMER, *_GROUP, "apiversions")}


def rules_of(written: KafkaRule) -> Rule:
    """A rule as the proxy has it. Fields that are empty say as much as those that are not there."""
    apis = ROLES[written.role.lower()] if written.role else (written.api_key.lower(),) if written.api_key else None
    version = int(written.api_version) if written.api_version else None
    return Rule(apis, version, written.client_id or None, written.topic or None)


def law_of(scopes: Iterable[Scope]) -> list[Ports]:
    """What is said of the ports of ``scopes``. Rules about HTTP allow no request of Kafka's."""
    return [
        Ports(
            Side(scope.direction.value),
            frozenset(scope.subjects),
            scope.first,
            scope.last,
            scope.isolated,
            tuple(map(_allowance, scope.admissions)),
            str(scope.origin),
        )
        for scope in scopes
    ]


def _allowance(admission: Admission) -> Allowance:
    peers = admission.peers
    narrowed = admission.requests is not None or admission.kafka is not None
    return Allowance(
        str(admission.origin),
        None if peers is None else peers.inside,
        () if peers is None else peers.outside,
        admission.denies,
        tuple(map(rules_of, admission.kafka or ())) if narrowed else None,
    )
