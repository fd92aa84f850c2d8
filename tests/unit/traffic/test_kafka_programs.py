"""A real broker of Kafka behind its relay, and the client, on loopback."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka_answers import answer
from loopback import LocalPod

from harness.lab.port import Lab
from harness.manifests.case import load_cases
from harness.manifests.place import SCENARIOS
from harness.model.exchange import Sends
from harness.model.flow import Flow, Verdict
from harness.model.kafka import KafkaAsk
from harness.traffic.kafka.asking import KafkaRequests, KafkaWatch, is_kafka, topics
from harness.traffic.kafka.programs import KafkaPrograms, kafka_programs
from harness.traffic.kafka.requests import encoded
from harness.traffic.port import LoadFailed

REF = "test/local"
SECONDS = 20.0
ANSWERED = {
    "apiversions": range(4), "metadata": range(13), "produce": range(3, 10), "fetch": range(4, 13), "offsets": range(1, 8),
    "offsetfetch": range(1, 10), "findcoordinator": range(7), "createtopics": range(2, 8), "deletetopics": range(1, 7),
}  # fmt: skip
CHANGING = {"createtopics": ("new", "other"), "deletetopics": ("old", "older")}  # nothing that others ask for


def free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


@pytest.fixture
def running(local: LocalPod) -> Iterator[tuple[KafkaPrograms, int, int]]:
    """A client and a broker with two topics that run, the broker's port, and the one where others are passed on to."""
    port, other = free_ports(2)
    lab = cast(Lab, SimpleNamespace(pod=lambda ref: local))
    with kafka_programs(lab, [REF], [REF], [port], {"orders", "bills"}, other) as programs:
        yield programs, port, other


def flow(port: int, api: str = "metadata", version: int = 9, *topics: str, family: int = 4, **more: Any) -> Flow:
    return Flow(REF, REF, port, family=family, request=KafkaAsk(api, version, topics, **more))


@contextmanager
def in_place_of_a_broker(*answers: Callable[[bytes], bytes]) -> Iterator[int]:
    """A port where each connection is given one of ``answers`` to what came over it first, and is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(answer(connection.recv(1 << 16)))

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(SECONDS)


def verdicts(
    running: tuple[KafkaPrograms, int, int], flows: Sequence[Flow], seconds: float = SECONDS
) -> list[tuple[Verdict, str]]:
    return [(each.verdict, each.detail) for each in KafkaRequests(running[0]).ask(flows, seconds)]


def test_the_broker_answers_every_version_that_cases_ask_and_the_client_gets_what_it_says(
    running: tuple[KafkaPrograms, int, int],
) -> None:
    flows = [
        flow(running[1], api, version, *CHANGING.get(api, topics), client_id=client)
        for api, versions in ANSWERED.items()
        for version in versions
        for topics, client in ((("orders", "bills"), "web"), (("orders",), None))
        if api not in CHANGING or topics == ("orders",)
    ]
    seen = verdicts(running, flows)
    assert {each for each in seen if each[0] is not Verdict.FORWARDED} == set()
    assert {each for each in seen if "ERROR" in each[1] or "closed" in each[1]} == set()


def test_a_version_that_nobody_has_published_reaches_the_broker_and_is_told_from_a_refusal(
    running: tuple[KafkaPrograms, int, int],
) -> None:
    flows = [flow(running[1], api, 99, "orders") for api in ("produce", "fetch", "metadata")]
    seen = verdicts(running, flows)
    assert [each[0] for each in seen] == [Verdict.FORWARDED] * 3
    assert seen[0][1] == f"{REF} closed the connection"


@pytest.mark.parametrize("sends", [Sends.BYTEWISE, (1, 3, 8), (4, 10)])
@pytest.mark.parametrize("family", [4, 6])
def test_pieces_reach_the_broker_as_one_request(
    running: tuple[KafkaPrograms, int, int], sends: Sends | tuple[int, ...], family: int
) -> None:
    (seen,) = KafkaRequests(running[0]).ask([flow(running[1], "produce", 9, "orders", family=family, sends=sends)], SECONDS)
    assert (seen.verdict, seen.detail) == (Verdict.FORWARDED, f"NONE from {REF}")


def test_requests_over_one_connection_are_answered_in_turn(running: tuple[KafkaPrograms, int, int]) -> None:
    programs, port, _ = running
    asker = KafkaRequests(programs)
    flows = [flow(port, "metadata", version, "orders", shared=True) for version in range(13)]
    with asker.connections() as kept:
        seen = asker.ask(flows, SECONDS, kept)
        again = asker.ask(flows[:1], SECONDS, kept, all_kept=True)
    assert {each.verdict for each in [*seen, *again]} == {Verdict.FORWARDED}
    numbers = [line.partition('"connection": ')[2][0] for line in programs.brokers[REF].record._diary.read_text().splitlines()]
    assert set(numbers) == {"1"}


def test_what_a_broker_read_is_known_by_its_nonce_and_by_when(running: tuple[KafkaPrograms, int, int]) -> None:
    programs, port, _ = running
    asked = flow(port, "produce", 9, "orders")
    (earlier,) = KafkaRequests(programs).ask([asked], SECONDS)
    watch = KafkaWatch(programs)
    (seen,) = KafkaRequests(programs).ask([asked], SECONDS)
    assert watch.reached(asked, seen.nonce) == f"the broker of {REF} read it"
    assert watch.reached(asked, earlier.nonce) is None


def test_a_request_that_comes_twice_is_seen(running: tuple[KafkaPrograms, int, int]) -> None:
    programs, port, _ = running
    watch = KafkaWatch(programs)
    with socket.create_connection(("127.0.0.1", port)) as spoken:
        spoken.sendall(2 * encoded(KafkaAsk("metadata", 9), 77))
        spoken.settimeout(SECONDS)
        came = b""
        while came.count((77).to_bytes(4, "big")) < 2:
            came += spoken.recv(1 << 16)
    read = watch.read_by(77)
    assert read is not None
    assert read[1].times == 2


def test_an_unfinished_request_is_seen(running: tuple[KafkaPrograms, int, int]) -> None:
    programs, port, _ = running
    watch = KafkaWatch(programs)
    half = encoded(KafkaAsk("produce", 9, ("orders",)), 77)[:6]
    with socket.create_connection(("127.0.0.1", port)) as spoken:
        spoken.sendall(half)
        KafkaRequests(programs).ask([flow(port)], SECONDS)  # when that is answered, the relay has read what came before
        assert watch.reached(flow(port), 1) == "its broker read 6 bytes of an unfinished request"
    assert KafkaWatch(programs).reached(flow(port), 1) is None


def test_what_is_no_request_of_kafka_goes_elsewhere(running: tuple[KafkaPrograms, int, int]) -> None:
    programs, port, other = running
    watch = KafkaWatch(programs)
    with socket.create_server(("127.0.0.1", other)) as server, socket.create_connection(("127.0.0.1", port), 5) as spoken:
        spoken.sendall(b"GET /")
        inside, _ = server.accept()
        with inside:
            assert inside.recv(100) == b"GET /"
            inside.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            assert spoken.recv(100) == b"HTTP/1.1 200 OK\r\n\r\n"
    assert watch.reached(flow(port), 1) is None


def test_where_nobody_listens_a_request_is_rejected_and_where_nobody_answers_it_is_dropped(
    running: tuple[KafkaPrograms, int, int],
) -> None:
    (closed,) = free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        seen = verdicts(running, [flow(closed), flow(deaf.getsockname()[1])], 1.0)
    assert seen == [(Verdict.REJECTED, "ECONNREFUSED"), (Verdict.DROPPED, "silence")]


def test_refusals_that_no_broker_knows_of_are_rejections_and_other_answers_are_not(
    running: tuple[KafkaPrograms, int, int],
) -> None:
    asked = KafkaAsk("produce", 9, ("orders",))

    def saying(error: int) -> Callable[[bytes], bytes]:
        return lambda request: answer(asked, int.from_bytes(request[8:12], "big"), error)

    for answers, verdict, detail in (
        (saying(29), Verdict.REJECTED, "TOPIC_AUTHORIZATION_FAILED"),
        (lambda request: b"", Verdict.REJECTED, "connection closed without an answer"),
        (saying(0), Verdict.REDIRECTED, "NONE; no broker read it"),
        (lambda request: saying(29)(request)[:-1], Verdict.REJECTED, "b'"),
    ):
        with in_place_of_a_broker(answers) as port:
            ((seen, said),) = verdicts(running, [flow(port, asked.api, asked.version, *asked.topics)])
        assert (seen, said[: len(detail)]) == (verdict, detail)


def test_a_version_that_kafka_no_longer_has_is_no_verdict(running: tuple[KafkaPrograms, int, int]) -> None:
    with pytest.raises(LoadFailed, match="Kafka has no produce of version 2"):
        verdicts(running, [flow(running[1], "produce", 2, "orders")])


def test_a_broker_that_cannot_listen_is_named_with_its_last_words(local: LocalPod) -> None:
    lab = cast(Lab, SimpleNamespace(pod=lambda ref: local))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = kafka_programs(lab, [], [REF], [taken.getsockname()[1]], (), 9)
        with (
            pytest.raises(
                LoadFailed, match=r"(?s)the relay before the broker in pod .* ended with status 1: .*address already"
            ),
            running,
        ):
            pytest.fail("entered")


def test_what_shipped_cases_ask_is_forwarded_where_nothing_denies(local: LocalPod) -> None:
    """As on the control; a broker that closes the connection is an answer too, of versions that nobody has published alone."""
    cases = load_cases([SCENARIOS / "conformance" / "kafka"])
    asked = [each.flow for case in cases for step in case.steps for each in step.expectations if is_kafka(each.flow)]
    (port,) = free_ports(1)
    flows = list(dict.fromkeys(replace(each, source=REF, destination=REF, port=port) for each in asked))
    lab = cast(Lab, SimpleNamespace(pod=lambda ref: local))
    with kafka_programs(lab, [REF], [REF], [port], topics(flows), 9) as programs:
        asker = KafkaRequests(programs)
        with asker.connections() as kept:
            seen = asker.ask(flows, SECONDS, kept)
    assert [(flow, each.detail) for flow, each in zip(flows, seen, strict=True) if each.verdict is not Verdict.FORWARDED] == []
    closed = {flow.request.version for flow, each in zip(flows, seen, strict=True) if "closed" in each.detail}  # type: ignore[union-attr]
    assert closed <= {99, 32767}


def test_a_client_that_applications_use_finds_the_broker_behind_its_relay(running: tuple[KafkaPrograms, int, int]) -> None:
    """The broker says that it is at the pod's address and the relay's port: what follows what it says comes back to it."""
    programs, port, _ = running
    delivered: list[Any] = []
    producer = Producer({"bootstrap.servers": f"127.0.0.1:{port}", "client.id": "web"})
    producer.produce("orders", b"hello", on_delivery=lambda error, message: delivered.append((error, message.topic())))
    assert producer.flush(SECONDS) == 0
    assert delivered == [(None, "orders")]
    consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{port}", "group.id": "readers"})
    consumer.assign([TopicPartition("orders", 0, 0)])
    message = consumer.poll(SECONDS)
    consumer.close()
    assert message is not None
    assert message.value() == b"hello"
    assert programs.brokers[REF].record.now() > 1
