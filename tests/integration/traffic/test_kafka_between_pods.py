"""Requests of Kafka between pods of a lab, without a data plane."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import pytest
from kio.index import load_response_schema
from kio.serial import entity_reader

from harness.lab.port import Lab
from harness.model.exchange import Sends
from harness.model.flow import Flow, Verdict
from harness.model.kafka import KafkaAsk
from harness.traffic.kafka.asking import KafkaRequests
from harness.traffic.kafka.programs import KafkaPrograms, kafka_programs

PORTS = (9092, 9093)
SECONDS = 20.0
APPS = ("server", "neighbour")  # on the other node than the client, and on the same


@pytest.fixture(scope="module")
def programs(pair_lab: Lab) -> Iterator[KafkaPrograms]:
    with kafka_programs(pair_lab, ["shop/client"], [f"shop/{app}" for app in APPS], PORTS, {"orders"}, 9) as running:
        yield running


def flows(asks: Sequence[KafkaAsk]) -> list[Flow]:
    return [
        Flow("shop/client", f"shop/{app}", port, family=family, request=ask)
        for ask in asks for app in APPS for family in (4, 6) for port in PORTS
    ]  # fmt: skip


def test_brokers_in_pods_answer_over_either_family_at_every_port(programs: KafkaPrograms) -> None:
    asked = flows(
        [KafkaAsk("produce", 9, ("orders",), sends=sends) for sends in (Sends.WHOLE, Sends.BYTEWISE, (7,))]
        + [KafkaAsk("metadata", 0, ("orders",)), KafkaAsk("fetch", 99, ("orders",))]
    )
    seen = KafkaRequests(programs).ask(asked, SECONDS)
    assert [(flow, each.detail) for flow, each in zip(asked, seen, strict=True) if each.verdict is not Verdict.FORWARDED] == []


def test_a_broker_says_that_it_is_at_its_pods_address(programs: KafkaPrograms, pair_lab: Lab) -> None:
    for app in APPS:
        asker = KafkaRequests(programs)
        watch = asker.watch()
        flow = Flow("shop/client", f"shop/{app}", PORTS[0], request=KafkaAsk("metadata", 9, ("orders",)))
        (seen,) = asker.ask([flow], SECONDS)
        read = watch.read_by(seen.nonce)
        assert read is not None
        schema = load_response_schema(3, 9)
        _, head = entity_reader(schema.__header_schema__)(read[1].answer, 4)
        said, _ = entity_reader(schema)(read[1].answer, 4 + head)
        (broker,) = said.brokers  # type: ignore[attr-defined]
        assert broker.port == PORTS[0]
        assert ip_address(broker.host) == ip_address(pair_lab.pod(f"shop/{app}").pod.ips[0])
