"""Which of the requests that a proxy refused was a flow's."""

import pytest

from harness.dataplanes.kafka_evidence import described, is_about
from harness.kafka.records import POLICY, RefusedRequest
from harness.model.request import HTTPRequest, KafkaRequest, Request

REFUSED = RefusedRequest("10.0.0.1", "10.0.0.2", 9092, "produce", 9, ("audit", "orders"), "me", POLICY, "ingress", "a.yaml:3")
UNREAD = RefusedRequest("10.0.0.1", "10.0.0.2", 9092, "fetch", 13, (), None, "version 13 of fetch is not known")
OTHER = RefusedRequest("10.0.0.1", "10.0.0.2", 9092, "-1", -1, (), None, "no request of Kafka's, or one of 1195725856 bytes")


@pytest.mark.parametrize(
    ("refused", "request_", "is_it"),
    [
        (REFUSED, KafkaRequest("produce", 9, ("orders", "audit"), "me"), True),
        (REFUSED, KafkaRequest("produce", 8, ("orders", "audit"), "me"), False),
        (REFUSED, KafkaRequest("produce", 9, ("orders",), "me"), False),
        (REFUSED, KafkaRequest("produce", 9, ("orders", "audit")), False),
        (UNREAD, KafkaRequest("fetch", 13, ("orders",), "me"), True),
        (UNREAD, KafkaRequest("fetch", 12, ("orders",), "me"), False),
        (REFUSED, HTTPRequest(), False),
        (UNREAD, HTTPRequest(), False),
        (OTHER, HTTPRequest(), True),
        (OTHER, None, False),
        (OTHER, KafkaRequest("fetch", 12), False),
        (REFUSED, None, False),
    ],
)
def test_a_refusal_is_told_by_what_is_known_of_it(refused: RefusedRequest, request_: Request | None, is_it: bool) -> None:
    assert is_about(refused, request_) is is_it


def test_a_refusal_is_described() -> None:
    assert described(REFUSED) == "produce v9 of audit, orders"
    assert described(UNREAD) == "version 13 of fetch is not known"
