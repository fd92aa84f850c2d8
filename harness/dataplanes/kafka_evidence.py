"""What a proxy for Kafka has written down of a refused request, as evidence for a flow."""

from harness.kafka.records import POLICY, UNKNOWN, RefusedRequest
from harness.model.request import KafkaRequest, Request

KAFKA_DENIED = "kafka_access_denied"


def is_about(refused: RefusedRequest, request: Request | None) -> bool:
    """Whether that is the request that was refused. Of one that could not be read only its API and version are known.

    What speaks another protocol has neither.
    """
    if not isinstance(request, KafkaRequest):
        return request is not None and refused.api == UNKNOWN
    if refused.reason != POLICY:
        return (refused.api, refused.version) == (request.api, request.version)
    asked = request.api, request.version, frozenset(request.topics), request.client_id
    return (refused.api, refused.version, frozenset(refused.topics), refused.client_id) == asked


def described(refused: RefusedRequest) -> str:
    """In words."""
    if refused.reason != POLICY:
        return refused.reason
    topics = f" of {', '.join(refused.topics)}" if refused.topics else ""
    return f"{refused.api} v{refused.version}{topics}"
