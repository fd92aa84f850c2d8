"""Policy on the same-node path: every message is sent under the policy in force, also on open connections."""

from collections.abc import Iterator

import pytest
from same_node import Connect, Counts, receive, sent_by_tcp

from harness.dataplanes.ebpf_sockmap import EbpfSockmapAttachment
from harness.model.flow import Flow
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy, Peer, Rule

HERE = Origin("policy.yaml", 1)
SILENCE = 0.5
NOBODY = LabelSelector({"app": "nobody"})


def isolating(pod: str, direction: str, allowed: str = "nobody") -> NetworkPolicy:
    rule = Rule(HERE, peers=(Peer(HERE, pod_selector=LabelSelector({"app": allowed})),))
    return NetworkPolicy(
        HERE,
        name=f"isolate-{pod}",
        namespace="shop",
        pod_selector=LabelSelector({"app": pod}),
        policy_types=(direction,),
        ingress=(rule,) if direction == "Ingress" else None,
        egress=(rule,) if direction == "Egress" else None,
    )


@pytest.fixture
def policies(attachment: EbpfSockmapAttachment) -> Iterator[EbpfSockmapAttachment]:
    """The data plane, free of policies before and after."""
    yield attachment
    attachment.apply([])


@pytest.mark.parametrize("denial", [("server", "Ingress"), ("client", "Egress")], ids=["ingress", "egress"])
@pytest.mark.parametrize("sender", ["client", "server"])
def test_revocation_reaches_an_open_connection_in_both_directions(
    denial: tuple[str, str], sender: str, policies: EbpfSockmapAttachment, counts: Counts, connect: Connect
) -> None:
    connection = connect()
    connection.join()
    port = connection.server.getsockname()[1]
    sending, receiving = (
        (connection.client, connection.server) if sender == "client" else (connection.server, connection.client)
    )
    policies.apply([isolating(*denial)])
    redirected = counts["redirected"]
    sending.send(b"denied")
    receiving.settimeout(SILENCE)
    with pytest.raises(TimeoutError):
        receiving.recv(10)
    assert counts["redirected"] == redirected
    assert counts["policy"] > 0
    evidence = policies.evidence(Flow("shop/client", "shop/server", port, "TCP", 4))
    assert evidence is not None
    assert evidence.reason == "revoked"


def test_allowed_connection_returns_to_the_path_after_a_change(
    policies: EbpfSockmapAttachment, counts: Counts, connect: Connect
) -> None:
    connection = connect()
    connection.join()
    policies.apply([isolating("server", "Ingress", allowed="client")])
    assert connection.ping_for(1) > 0  # judged anew, which takes a packet
    connection.join()
    assert connection.ping_for(20) == 0


def test_what_was_queued_before_a_revocation_is_still_read(
    policies: EbpfSockmapAttachment, counts: Counts, connect: Connect
) -> None:
    """As with TCP: the bytes had been delivered to the pod while that was allowed."""
    connection = connect()
    connection.join()
    sent = sent_by_tcp(connection.client)
    connection.client.send(b"delivered")
    assert sent_by_tcp(connection.client) == sent
    policies.apply([isolating("server", "Ingress")])
    assert receive(connection.server, 9) == b"delivered"


def test_connection_recovers_when_it_is_allowed_again(policies: EbpfSockmapAttachment, connect: Connect) -> None:
    connection = connect()
    connection.join()
    policies.apply([isolating("server", "Ingress")])
    connection.client.send(b"late")
    policies.apply([])
    assert receive(connection.server, 4) == b"late"  # by a retransmission
    connection.join()
