"""The xDS server, asked as an Envoy asks it."""

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from harness.envoy.ads import METHOD, SERVICE, AdsServer
from harness.envoy.errors import EnvoyError, NotAccepted
from harness.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Message, Snapshot, discovery, message

REQUEST, RESPONSE = discovery()
SECONDS = 5.0


class Client:
    """One stream, as Envoy opens it."""

    def __init__(self, path: Path) -> None:
        self._channel = grpc.insecure_channel(f"unix:{path}")
        self._said: queue.Queue[Any] = queue.Queue()
        call = self._channel.stream_stream(f"/{SERVICE}/{METHOD}", bytes, RESPONSE.parse)
        self._answers = call(iter(self._said.get, None), timeout=SECONDS)

    def ask(self, type_url: str, *names: str, node: str = "n1") -> None:
        self._said.put(REQUEST.from_dict({"node": {"id": node}, "type_url": type_url, "resource_names": list(names)}))

    def answer(self) -> Any:
        return next(self._answers)

    def accept(self, response: Any, *names: str) -> None:
        self._reply(response, {"version_info": response.version_info, "resource_names": list(names)})

    def refuse(self, response: Any, why: str) -> None:
        self._reply(response, {"error_detail": {"message": why}})

    def _reply(self, response: Any, fields: dict[str, Any]) -> None:
        told = {"type_url": response.type_url, "response_nonce": response.nonce, **fields}
        self._said.put(REQUEST.from_dict(told))

    def close(self) -> None:
        self._said.put(None)
        self._channel.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AdsServer]:
    served = AdsServer(tmp_path / "xds.sock")
    yield served
    served.close()


@pytest.fixture
def client(server: AdsServer) -> Iterator[Client]:
    asking = Client(server.path)
    yield asking
    asking.close()


def cluster(name: str) -> Message:
    return message({"@type": CLUSTER, "name": name})


def routes(name: str) -> Message:
    return message({"@type": ROUTES, "name": name})


def names(response: Any) -> list[str]:
    return [str(each.unpack().name) for each in response.resources]


def snapshot(clusters: tuple[str, ...] = (), configurations: tuple[str, ...] = ()) -> Snapshot:
    return {CLUSTER: tuple(map(cluster, clusters)), ROUTES: tuple(map(routes, configurations))}


def test_a_snapshot_is_sent_and_accepted_by_type(server: AdsServer, client: Client) -> None:
    server.publish("n1", snapshot(("a", "b"), ("r",)))
    client.ask(CLUSTER)
    response = client.answer()
    assert (response.type_url, names(response)) == (CLUSTER, ["a", "b"])
    client.accept(response)
    with pytest.raises(NotAccepted, match="no answer about RouteConfiguration"):
        server.await_accepted("n1", 0.1)
    client.ask(ROUTES, "r")
    client.accept(client.answer(), "r")
    server.await_accepted("n1", SECONDS)


def test_only_named_route_configurations_are_sent_and_others_when_they_are_named(server: AdsServer, client: Client) -> None:
    server.publish("n1", snapshot((), ("r", "s")))
    client.ask(ROUTES, "r")
    first = client.answer()
    assert names(first) == ["r"]
    client.accept(first, "r", "s")
    assert names(client.answer()) == ["r", "s"]


def test_a_change_is_sent_at_once_and_only_of_the_type_that_changed(server: AdsServer, client: Client) -> None:
    server.publish("n1", snapshot(("a",), ("r",)))
    client.ask(CLUSTER)
    client.accept(client.answer())
    client.ask(ROUTES, "r")
    client.accept(client.answer(), "r")
    server.await_accepted("n1", SECONDS)
    server.publish("n1", snapshot(("b",), ("r",)))
    changed = client.answer()
    assert (changed.type_url, names(changed)) == (CLUSTER, ["b"])
    with pytest.raises(NotAccepted, match=r"Envoy of node n1 has not accepted .* no answer about Cluster$"):
        server.await_accepted("n1", 0.1)
    client.accept(changed)
    server.await_accepted("n1", SECONDS)


def test_a_refusal_is_told_at_once_with_envoys_words_until_something_else_is_sent(server: AdsServer, client: Client) -> None:
    server.publish("n1", snapshot(("a",)))
    client.ask(CLUSTER)
    client.ask(ROUTES, "r")
    for _ in range(2):
        response = client.answer()
        if response.type_url == CLUSTER:
            client.refuse(response, "no such load balancer")
        else:
            client.accept(response, "r")
    with pytest.raises(NotAccepted, match=r"^Envoy of node n1 refused its configuration: Cluster: no such load balancer$"):
        server.await_accepted("n1", 60.0)
    server.publish("n1", snapshot(("b",)))
    client.accept(client.answer())
    server.await_accepted("n1", SECONDS)


def test_what_an_envoy_has_not_asked_for_yet_need_not_be_awaited(server: AdsServer, client: Client) -> None:
    """A sidecar's routes, before a listener of it names them."""
    server.publish("n1", snapshot(("a",), ("requests",)))
    client.ask(CLUSTER)
    client.accept(client.answer())
    server.await_accepted("n1", SECONDS, (CLUSTER,))
    with pytest.raises(NotAccepted, match="RouteConfiguration"):
        server.await_accepted("n1", 0.05)


def test_each_envoy_gets_its_own(server: AdsServer, client: Client) -> None:
    server.publish("n1", snapshot(("one",)))
    server.publish("n2", snapshot(("two",)))
    other = Client(server.path)
    client.ask(CLUSTER)
    other.ask(CLUSTER, node="n2")
    assert [names(each.answer()) for each in (client, other)] == [["one"], ["two"]]
    other.close()


def test_two_processes_of_one_envoy_must_both_accept(server: AdsServer, client: Client) -> None:
    """As there are in a hot restart."""
    server.publish("n1", {CLUSTER: (cluster("a"),)})
    client.ask(CLUSTER)
    client.accept(client.answer())
    server.await_accepted("n1", SECONDS)
    successor = Client(server.path)
    successor.ask(CLUSTER)
    response = successor.answer()
    with pytest.raises(NotAccepted):
        server.await_accepted("n1", 0.1)
    successor.accept(response)
    server.await_accepted("n1", SECONDS)
    successor.close()


def test_who_is_not_there_has_accepted_nothing(server: AdsServer) -> None:
    server.publish("n1", snapshot())
    with pytest.raises(NotAccepted, match="it is not connected"):
        server.await_accepted("n1", 0.1)


def test_a_socket_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvoyError, match="no xDS server on"):
        AdsServer(tmp_path / "missing" / "xds.sock")


def test_a_field_that_a_type_lacks_is_refused() -> None:
    with pytest.raises(EnvoyError, match=r"^envoy\.config\.listener\.v3\.Listener 'x' is not one: .*nonsense"):
        message({"@type": LISTENER, "name": "x", "nonsense": 1})


def endpoints(name: str, *addresses: str) -> Message:
    members = [{"endpoint": {"address": {"socket_address": {"address": each, "port_value": 1}}}} for each in addresses]
    return message({"@type": ENDPOINTS, "cluster_name": name, "endpoints": [{"lb_endpoints": members}]})


def test_members_are_awaited_until_they_are_asked_for_and_accepted(server: AdsServer, client: Client) -> None:
    """An Envoy asks for members of a cluster once it has taken up the cluster, which it may have said before."""
    server.publish("n1", {CLUSTER: (cluster("a"), cluster("b")), ENDPOINTS: (endpoints("a", "10.0.0.1"), endpoints("b"))})
    client.ask(CLUSTER)
    client.accept(client.answer())
    with pytest.raises(NotAccepted, match="no answer about ClusterLoadAssignment"):
        server.await_accepted("n1", 0.1)
    client.ask(ENDPOINTS, "a")
    first = client.answer()
    client.accept(first, "a")
    with pytest.raises(NotAccepted, match="no answer about ClusterLoadAssignment"):
        server.await_accepted("n1", 0.1)  # not of all
    client.accept(first, "a", "b")
    client.accept(client.answer(), "a", "b")
    server.await_accepted("n1", SECONDS)


def test_members_change_without_their_cluster(server: AdsServer, client: Client) -> None:
    server.publish("n1", {CLUSTER: (cluster("a"),), ENDPOINTS: (endpoints("a", "10.0.0.1"),)})
    client.ask(CLUSTER)
    client.accept(client.answer())
    client.ask(ENDPOINTS, "a")
    client.accept(client.answer(), "a")
    server.publish("n1", {CLUSTER: (cluster("a"),), ENDPOINTS: (endpoints("a", "10.0.0.2"),)})
    assert client.answer().type_url == ENDPOINTS


def test_members_are_sent_again_to_a_cluster_that_was_made_anew(server: AdsServer, client: Client) -> None:
    server.publish("n1", {CLUSTER: (cluster("a"),), ENDPOINTS: (endpoints("a", "10.0.0.1"),)})
    client.ask(CLUSTER)
    client.accept(client.answer())
    client.ask(ENDPOINTS, "a")
    first = client.answer()
    client.accept(first, "a")
    server.await_accepted("n1", SECONDS)
    client.accept(first, "a")  # nothing new to accept: it asks
    again = client.answer()
    assert again.type_url == ENDPOINTS
    client.accept(again, "a")
    server.await_accepted("n1", SECONDS)


def test_where_no_cluster_has_members_nobody_waits_for_them(server: AdsServer, client: Client) -> None:
    server.publish("n1", {CLUSTER: (cluster("a"),), ENDPOINTS: ()})
    client.ask(CLUSTER)
    client.accept(client.answer())
    server.await_accepted("n1", SECONDS)
