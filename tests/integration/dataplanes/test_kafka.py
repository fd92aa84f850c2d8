"""Real clients and brokers of Kafka, with a policy between them."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from confluent_kafka import KafkaError
from kafka_ends import PORT, Client, broker, consumed
from request_policies import POLICY, RULE

from harness.dataplanes.node_proxy import NodeProxyAttachment
from harness.dataplanes.port import RestartKind
from harness.kafka.control import COMPONENT
from harness.lab.port import Lab, LabPod
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, KafkaRule, L7Rules, PortRule
from harness.model.flow import Flow
from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.request import KafkaRequest

KAFKA = Origin("requests.yaml", 30)
TOPICS = ("orders", "audit")
TO_BEGIN = (KafkaRule(KAFKA, api_key="apiversions"), KafkaRule(KAFKA, api_key="metadata"))
DENIED = KafkaError.TOPIC_AUTHORIZATION_FAILED


def of(api: str, topic: str | None = None, client_id: str | None = None) -> KafkaRule:
    return KafkaRule(KAFKA, api_key=api, topic=topic, client_id=client_id)


def between(app: str, *rules: KafkaRule) -> CiliumRule:
    ports = (PortRule(RULE, (CiliumPort(RULE, str(PORT), None, "TCP"),), L7Rules(KAFKA, kafka=rules) if rules else None),)
    return CiliumRule(RULE, endpoints=(LabelSelector({"app": app}),), ports=ports)


def ingress(app: str, *rules: KafkaRule) -> CiliumPolicy:
    spec = CiliumSpec(POLICY, LabelSelector({"app": app}), ingress=(between("client", *rules),))
    return CiliumPolicy(POLICY, "in", "shop", (spec,))


def egress(app: str, *rules: KafkaRule) -> CiliumPolicy:
    spec = CiliumSpec(POLICY, LabelSelector({"app": "client"}), egress=(between(app, *rules),))
    return CiliumPolicy(POLICY, "out", "shop", (spec,))


@pytest.fixture(scope="module")
def brokers(pair_lab: Lab) -> Iterator[None]:
    with broker(pair_lab.pod("shop/server"), TOPICS), broker(pair_lab.pod("shop/neighbour"), TOPICS):
        yield


@pytest.fixture(params=["server", "neighbour"])
def app(brokers: None, request: pytest.FixtureRequest) -> str:
    """The broker's: of the other node, and of the client's own."""
    return str(request.param)


@pytest.fixture
def producer(client: LabPod) -> Iterator[Callable[..., Client]]:
    """New clients in the client's pod, of a broker and with a client id; all are closed in the end."""
    with ExitStack() as undo:

        def opened(broker: LabPod, client_id: str = "me") -> Client:
            made = Client(client, broker, client_id)
            undo.callback(made.close)
            return made

        yield opened


def test_producers_reach_the_topics_that_rules_name(
    plane: NodeProxyAttachment, pair_lab: Lab, producer: Callable[..., Client], app: str
) -> None:
    plane.apply([ingress(app, *TO_BEGIN, of("produce", "orders"))])
    mine = producer(pair_lab.pod(f"shop/{app}"))
    assert mine.produce("orders") is None
    error = mine.produce("audit")
    assert error is not None
    assert error.code() == DENIED
    assert mine.produce("orders") is None, "the connection goes on"


def test_consumers_read_the_topics_that_rules_name(
    plane: NodeProxyAttachment, pair_lab: Lab, client: LabPod, producer: Callable[..., Client], app: str
) -> None:
    server = pair_lab.pod(f"shop/{app}")
    for topic in TOPICS:
        assert producer(server).produce(topic, b"%s for consumers" % topic.encode()) is None
    plane.apply([ingress(app, *TO_BEGIN, KafkaRule(KAFKA, role="consume", topic="orders"))])
    found = consumed(client, server, "orders", 1)
    assert isinstance(found, list)
    assert len(found) == 1
    denied = consumed(client, server, "audit", 1)
    assert isinstance(denied, KafkaError)
    assert denied.code() == DENIED


def test_a_client_is_judged_by_its_id_and_on_its_own_side(
    plane: NodeProxyAttachment, pair_lab: Lab, producer: Callable[..., Client], app: str
) -> None:
    plane.apply([egress(app, *TO_BEGIN, of("produce", "orders", "me"))])
    server = pair_lab.pod(f"shop/{app}")
    assert producer(server, "me").produce("orders") is None
    error = producer(server, "somebody").produce("orders")
    assert error is not None
    assert error.code() == DENIED


def test_an_open_connection_is_judged_by_the_policy_in_force(
    plane: NodeProxyAttachment, pair_lab: Lab, producer: Callable[..., Client], app: str
) -> None:
    plane.apply([ingress(app, *TO_BEGIN, of("produce"))])
    mine = producer(pair_lab.pod(f"shop/{app}"))
    assert mine.produce("audit") is None
    plane.apply([ingress(app, *TO_BEGIN, of("produce", "orders"))])
    error = mine.produce("audit")
    assert error is not None
    assert error.code() == DENIED
    plane.apply([ingress(app)])
    assert mine.produce("orders") is None, "the connection goes on"
    assert producer(pair_lab.pod(f"shop/{app}")).produce("audit") is None, "nothing looks into requests any more"


def test_what_is_no_kafka_is_ended_and_told(plane: NodeProxyAttachment, pair_lab: Lab, client: LabPod, app: str) -> None:
    plane.apply([ingress(app, *TO_BEGIN)])
    with client.entered(), socket.create_connection((pair_lab.pod(f"shop/{app}").pod.ip(4), PORT), timeout=10) as spoken:
        spoken.sendall(b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n")
        assert spoken.recv(100) == b""


def test_a_version_that_is_not_known_goes_nowhere_and_evidence_says_so(
    plane: NodeProxyAttachment, pair_lab: Lab, client: LabPod, app: str
) -> None:
    plane.apply([ingress(app, KafkaRule(KAFKA))])
    with client.entered(), socket.create_connection((pair_lab.pod(f"shop/{app}").pod.ip(4), PORT), timeout=10) as spoken:
        said = bytes.fromhex("0001000d00000007ffff")
        spoken.sendall(len(said).to_bytes(4) + said)
        assert spoken.recv(100) == b""
    found = plane.evidence(Flow("shop/client", f"shop/{app}", PORT, request=KafkaRequest("fetch", 13)))
    assert found is not None
    assert (found.plane, found.reason) == (plane.plane, "kafka_access_denied")
    assert "version 13 of fetch asks for topics by something else than names" in found.detail


def test_a_refusal_names_the_policy(
    plane: NodeProxyAttachment, pair_lab: Lab, producer: Callable[..., Client], app: str
) -> None:
    plane.apply([ingress(app, *TO_BEGIN, of("produce", "orders"))])
    assert producer(pair_lab.pod(f"shop/{app}")).produce("audit") is not None
    asked = [KafkaRequest("produce", version, ("audit",), client_id="me") for version in range(13)]
    found = [plane.evidence(Flow("shop/client", f"shop/{app}", PORT, request=each)) for each in asked]
    assert [each.rule for each in found if each is not None] == [str(POLICY)]


def test_a_new_proxy_judges_as_the_old_one_did(
    plane: NodeProxyAttachment, pair_lab: Lab, producer: Callable[..., Client], app: str
) -> None:
    plane.apply([ingress(app, *TO_BEGIN, of("produce", "orders"))])
    mine = producer(pair_lab.pod(f"shop/{app}"))
    assert mine.produce("orders") is None
    before = {each.place: each.pids for each in plane.components() if each.name == COMPONENT}
    plane.restart(COMPONENT, RestartKind.COLD)
    after = {each.place: each.pids for each in plane.components() if each.name == COMPONENT}
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    again = producer(pair_lab.pod(f"shop/{app}"))
    assert again.produce("orders") is None
    error = again.produce("audit")
    assert error is not None
    assert error.code() == DENIED
