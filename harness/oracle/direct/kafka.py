"""Rules of Cilium's about requests of Kafka: ``toPorts[].rules.kafka``.

Source: ``pkg/policy/api/kafka`` and ``proxylib/kafka`` of Cilium.
"""

from collections.abc import Iterable

from harness.model.cilium import KafkaRule
from harness.model.kafka import VERSIONS
from harness.model.request import KafkaRequest

_ROLES = {
    "produce": frozenset(("produce", "metadata", "apiversions")),
    "consume": frozenset(
        (
            "fetch", "offsets", "metadata", "offsetcommit", "offsetfetch", "findcoordinator", "joingroup", "heartbeat",
            "leavegroup", "syncgroup", "apiversions",
        )
    ),
}  # fmt: skip
_WITH_TOPICS = frozenset(
    (
        "produce", "fetch", "offsets", "metadata", "leaderandisr", "stopreplica", "updatemetadata", "offsetcommit",
        "offsetfetch", "createtopics", "deletetopics", "deleterecords", "offsetforleaderepoch", "addpartitionstotxn",
        "writetxnmarkers", "txnoffsetcommit",
    )
)  # fmt: skip


def deciding(rules: Iterable[KafkaRule], request: KafkaRequest) -> KafkaRule | None:
    """The rule with which all of the request's topics are allowed, by it and those before; None where some topic is not.

    Rules may share the topics of one request among them. A request that could name topics and names none asks for all of
    them, so that a rule about one topic does not allow it. Of a request that cannot name any, a rule's topic says nothing.
    One that names a topic where Cilium does not look (configurations, say) is judged by it all the same.
    """
    left = set(request.topics)
    for rule in rules:
        if not _about(rule, request):
            continue
        if not rule.topic or not (request.topics or request.api in _WITH_TOPICS):
            return rule
        if rule.topic in left:
            left.remove(rule.topic)
            if not left:
                return rule
    return None


def _about(rule: KafkaRule, request: KafkaRequest) -> bool:
    if not _published(request) or (rule.role and request.api not in _ROLES[rule.role.lower()]):
        return False
    return (
        (not rule.api_key or rule.api_key.lower() == request.api)
        and (not rule.api_version or int(rule.api_version) == request.version)
        and (not rule.client_id or rule.client_id == request.client_id)
    )


def _published(request: KafkaRequest) -> bool:
    """Whether its version may be known to somebody: what a later one asks for, nobody can read, and no rule allows it."""
    return request.api not in VERSIONS or request.version < VERSIONS[request.api].stop
