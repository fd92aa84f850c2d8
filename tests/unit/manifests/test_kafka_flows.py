"""Requests of Kafka in conformance cases."""

from pathlib import Path

import pytest
from request_cases import HEAD, case_file, refusal

from harness.manifests.case import load_cases
from harness.model.bench import Opened
from harness.model.exchange import Sends
from harness.model.kafka import KafkaAsk

ENDS = "from: shop/a, to: shop/b, port: 9092, family: 4"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return case_file(tmp_path)


def test_a_request_is_read_as_it_is_written(file: Path) -> None:
    kafka = "{api: Produce, version: 9, topic: [t, u], client_id: web, sends: [1, 4], connection: shared}"
    file.write_text(
        f"{HEAD}steps:\n- expect: {{flows: [{{{ENDS}, kafka: {{api: metadata, sends: bytewise}}, verdict: forwarded}}]}}\n"
        f"- expect: {{flows: [{{{ENDS}, kafka: {kafka}, opened: earlier, verdict: rejected}}]}}\n"
    )
    (case,) = load_cases([file.parents[1]])
    (plain,), (full,) = (step.expectations for step in case.steps)
    assert (plain.flow.request, plain.opened) == (KafkaAsk("metadata", sends=Sends.BYTEWISE), Opened.NOW)
    assert full.flow.request == KafkaAsk("produce", 9, ("t", "u"), "web", (1, 4), True)
    assert full.opened is Opened.EARLIER


FLOWS = {
    "kafka: {api: produse}": '.kafka.api: no API of Kafka is called "produse" (did you mean "produce"?)',
    "kafka: {api: produce, version: 2}": ".kafka.version: want 3 or more, as Kafka has no older produce any more, found 2",
    "kafka: {api: LeaderAndIsr}": ".kafka.api: Kafka has no LeaderAndIsr any more, so that no client can ask it; use another",
    "kafka: {api: findcoordinator, topic: t}": ".kafka.topic: a request of findcoordinator names no topics; remove it",
    "kafka: {api: metadata, topic: []}": ".kafka.topic",
    "kafka: {api: metadata, sends: in turn}": ".kafka.sends: want whole, bytewise or sizes of pieces, found the string",
    "kafka: {api: metadata, sends: [4, 0]}": ".kafka.sends: want sizes of pieces in bytes, each at least 1",
    "kafka: {api: metadata, connection: both}": ".kafka.connection: want own or shared",
    "kafka: {api: metadata}, opened: asked": ".opened: such a connection carries a request of its own",
    "kafka: {api: metadata}, as: {uid: 1}": ".as: the lab's clients of Kafka are root; remove it",
    "kafka: {api: metadata}, status: 403": ".status: only an answer to a request of HTTP has one",
    "kafka: {api: metadata}, grpc: {method: a/b}": ".kafka: beside grpc; write a flow for each",
}


@pytest.mark.parametrize(("written", "message"), FLOWS.items(), ids=FLOWS)
def test_a_request_that_cannot_be_made_is_refused(file: Path, written: str, message: str) -> None:
    assert refusal(file, f"expect: {{flows: [{{{ENDS}, {written}, verdict: rejected}}]}}\n").startswith(f"4: flows[0]{message}")


ASK = f"{{{ENDS}, kafka: {{api: metadata}}, verdict: forwarded}}"
CASES = {
    f"expect: {{flows: [{ASK}, {{from: shop/b, to: shop/a, port: 9092, verdict: denied}}]}}":
        "4: flows[1].port: Kafka is called at this port, which answers only that and HTTP; write kafka or http",
    f"expect: {{flows: [{ASK}, {{from: shop/b, to: shop/a, port: 9092, grpc: {{method: a/b}}, verdict: denied}}]}}":
        "4: flows[1].port: Kafka is called at this port, which answers only that and HTTP; write kafka or http",
    f"port: 9092\nexpect: {{otherwise: denied, flows: [{ASK}]}}": "5: otherwise: port 9092, where Kafka is called, has no",
    f"steps: [{{expect: {{flows: [{ASK}]}}}}, {{pods: [{{delete: shop/a}}], expect: {{otherwise: denied}}}}]":
        "1: title: Kafka is called where no pods change",
}  # fmt: skip


@pytest.mark.parametrize(("written", "message"), CASES.items(), ids=CASES.values())
def test_a_case_in_which_requests_and_others_would_meet_is_refused(file: Path, written: str, message: str) -> None:
    assert refusal(file, written + "\n").startswith(message)


def test_requests_of_http_may_go_where_kafka_goes(file: Path) -> None:
    file.write_text(f"{HEAD}expect: {{flows: [{ASK}, {{{ENDS}, http: {{}}, verdict: forwarded}}]}}\n")
    assert len(load_cases([file.parents[1]])) == 1
