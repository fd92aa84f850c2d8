"""What routes of Services do beside choosing: shares, copies, time limits, retries; and what becomes of changes."""

import socket
import threading
from collections import Counter
from contextlib import closing

import pytest
from http2_ends import Http2Client, http2_backend
from http_ends import Backend, backend
from scipy.stats import binomtest
from service_clients import Answer, ask, connection
from service_world import HERE, SERVICES, service

from harness.dataplanes.port import Attachment, NotConverged
from harness.lab.port import Lab
from harness.lab.service_addresses import service_addresses
from harness.model.policy import LabelSelector, NetworkPolicy
from harness.model.route import (
    BackendObject,
    BackendRef,
    GRPCMethodMatch,
    GRPCRoute,
    GRPCRouteMatch,
    GRPCRouteRule,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    RequestMirror,
    RequestRedirect,
    Retry,
    Timeouts,
)
from harness.model.routing import Routing
from harness.model.topology import Pod

ERROR_RATE = 1e-6
V1, V2 = (BackendObject(HERE, name, port=80) for name in ("v1", "v2"))


PARENT = ParentReference(HERE, "web", "", "Service", "shop")
OTHER_PORT = 9090


def route(*rules: HTTPRouteRule, namespace: str = "shop") -> HTTPRoute:
    return HTTPRoute(HERE, "r", namespace, (PARENT,), None, rules)


def routing(*rules: HTTPRouteRule) -> Routing:
    return Routing(SERVICES, http_routes=(route(*rules),))


def front(lab: Lab) -> str:
    """The address of the Service that has the routes."""
    return service_addresses(SERVICES, lab.topology)["shop/web"][0]


def to(backend: BackendObject, path: str = "/", **more: object) -> HTTPRouteRule:
    match = HTTPRouteMatch(HERE, PathMatch(None, path))
    return HTTPRouteRule(HERE, None, (match,), backend_refs=(BackendRef(backend),), **more)  # type: ignore[arg-type]


def asked(lab: Lab, path: str = "/", count: int = 1) -> list[str]:
    """Who answered, or with which status, requests to the Service on one connection."""
    with closing(connection(lab, "shop/client", SERVICES, "shop/web", 80, 4)) as opened:
        answers = [ask(opened, path) for _ in range(count)]
    return [answer.body if answer.status == 200 else str(answer.status) for answer in answers]


def test_shares_are_the_weights_of_services_whatever_the_number_of_their_pods(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]
) -> None:
    """``all`` has both pods behind it, so v1 gets 1 in 4 and half of 1 in 4."""
    refs = (BackendRef(V1, 1), BackendRef(V2, 2), BackendRef(BackendObject(HERE, "all", port=80), 1))
    routing_plane.apply((), routing(HTTPRouteRule(HERE, backend_refs=refs)))
    count = 600
    found = Counter(asked(routed_lab, count=count))
    assert set(found) == {"shop/v1", "shop/v2"}
    assert binomtest(found["shop/v1"], count, 3 / 8).pvalue > ERROR_RATE


def test_a_mirror_gets_copies_and_its_answers_nobody(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]
) -> None:
    copied = HTTPRouteRule(HERE, filters=(RequestMirror(HERE, V2),), backend_refs=(BackendRef(V1),))
    routing_plane.apply((), routing(copied))
    versions["shop/v2"].seen.clear()
    versions["shop/v2"].asked.clear()
    assert asked(routed_lab, "/copied?x=1") == ["shop/v1"]
    assert versions["shop/v2"].asked.wait(5)
    (seen,) = versions["shop/v2"].seen
    assert seen.target == "/copied?x=1"
    assert b"host: service" in [line.lower() for line in seen.lines]


def test_copies_do_not_reach_who_is_restricted(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]
) -> None:
    """The second Envoy's answer says that the first has sent all copies that it would."""
    copied = HTTPRouteRule(HERE, filters=(RequestMirror(HERE, V2),), backend_refs=(BackendRef(V1),))
    nobody = NetworkPolicy(HERE, "none", "shop", LabelSelector({"app": "v2"}), ingress=())
    routing_plane.apply([nobody], routing(copied))
    versions["shop/v2"].seen.clear()
    assert asked(routed_lab, "/copied") == ["shop/v1"]
    routing_plane.apply((), routing(to(V2)))
    assert asked(routed_lab, "/after") == ["shop/v2"]
    assert versions["shop/v2"].targets() == ["/after"]


@pytest.mark.parametrize("timeouts", [Timeouts(request="1s"), Timeouts(backend_request="1s")])
def test_a_request_is_given_up_when_its_time_is_over(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend], timeouts: Timeouts
) -> None:
    routing_plane.apply((), routing(to(V1, "/limited", timeouts=timeouts), to(V1)))
    assert asked(routed_lab, "/limited") == ["shop/v1"]
    with versions["shop/v1"].holding():
        assert asked(routed_lab, "/limited") == ["504"]
        free = threading.Timer(1.5, versions["shop/v1"].go.set)  # later than the limit of the other rule
        free.start()
        assert asked(routed_lab, "/free") == ["shop/v1"]
        free.join()


def test_what_a_rule_names_is_tried_again(routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]) -> None:
    """The backend answers 200, which is a status like any other to ``codes``."""
    routing_plane.apply((), routing(to(V1, "/again", retry=Retry((200,), 2, "1ms")), to(V1)))
    versions["shop/v1"].seen.clear()
    assert asked(routed_lab, "/again") == ["shop/v1"]
    assert versions["shop/v1"].targets() == ["/again"] * 3
    assert asked(routed_lab, "/once") == ["shop/v1"]
    assert versions["shop/v1"].targets() == ["/once"]


def test_a_change_of_routes_reaches_open_connections(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]
) -> None:
    routing_plane.apply((), routing(to(V1)))
    with closing(connection(routed_lab, "shop/client", SERVICES, "shop/web", 80, 4)) as opened:
        assert ask(opened).body == "shop/v1"
        routing_plane.apply((), routing(to(V2)))
        assert ask(opened).body == "shop/v2"


def test_what_is_no_port_of_a_service_is_refused(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]
) -> None:
    routing_plane.apply((), routing(to(V1)))
    with pytest.raises(ConnectionRefusedError):
        connection(routed_lab, "shop/client", SERVICES, "shop/web", 81, 4)
    with routed_lab.pod("shop/client").entered():
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with datagrams:
        datagrams.settimeout(5)
        datagrams.connect((front(routed_lab), 80))
        datagrams.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            datagrams.recv(1)


def test_a_service_that_is_gone_answers_no_more(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]
) -> None:
    routing_plane.apply((), routing(to(V1)))
    assert asked(routed_lab) == ["shop/v1"]
    routing_plane.apply(())
    with pytest.raises(OSError, match=r"unreachable|timed out|refused"):
        asked(routed_lab)


@pytest.mark.parametrize("header", ["x-node-proxy-asked", "X-Forwarded-For"])
def test_no_header_of_a_clients_own_chooses_its_routes(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend], header: str
) -> None:
    """Those of another namespace's clients, say."""
    both = Routing(SERVICES, http_routes=(route(to(V1)), route(to(V2), namespace="consumer")))
    consumer = routed_lab.pod("consumer/client").pod.ip(4)
    routing_plane.apply((), both)
    claims = {"x-node-proxy-asked": f"{front(routed_lab)}:80/{consumer}", "X-Forwarded-For": consumer}
    with closing(connection(routed_lab, "shop/client", SERVICES, "shop/web", 80, 4)) as opened:
        assert ask(opened, headers=[(header, claims[header])]).body == "shop/v1"
    with closing(connection(routed_lab, "consumer/client", SERVICES, "shop/web", 80, 4)) as opened:
        assert ask(opened, headers=[(header, routed_lab.pod("shop/client").pod.ip(4))]).status == 500, "no Service consumer/v2"
    assert not any(line.lower().startswith(b"x-node-proxy") for seen in versions["shop/v1"].seen for line in seen.lines)


def test_calls_of_grpc_over_http2_are_routed(routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]) -> None:
    """``versions`` holds the other port."""
    two = service("two", target=OTHER_PORT, app="v1")
    match = GRPCRouteMatch(HERE, GRPCMethodMatch(None, "shop.Cart", "Add"))
    rule = GRPCRouteRule(HERE, None, (match,), backend_refs=(BackendRef(BackendObject(HERE, "two", port=80)),))
    calls = GRPCRoute(HERE, "g", "shop", (PARENT,), None, (rule,))
    routing_plane.apply((), Routing((*SERVICES, two), grpc_routes=(calls,)))
    kind = [("content-type", "application/grpc")]
    with http2_backend(routed_lab.pod("shop/v1"), OTHER_PORT) as served:
        with routed_lab.pod("shop/client").entered():
            opened = socket.create_connection((front(routed_lab), 80), timeout=5)
        with opened:
            client = Http2Client(opened)
            assert client.ask("/shop.Cart/Add", "POST", kind).body == b"shop/v1"
            refused = client.ask("/shop.Cart/Remove", "POST", kind)
        assert (refused.status, refused.body) == (200, b""), "a status of gRPC"
        assert served.paths == ["/shop.Cart/Add"]


def test_what_envoy_refuses_changes_nothing(routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]) -> None:
    """An expression that no manifest may hold; also the Service that comes with it does not answer."""
    routing_plane.apply((), routing(to(V1)))
    more = service("more", app="v1")
    match = HTTPRouteMatch(HERE, PathMatch("RegularExpression", "("))
    wrong = HTTPRouteRule(HERE, None, (match,), backend_refs=(BackendRef(V2),))
    with pytest.raises(NotConverged, match="refused its configuration"):
        routing_plane.apply((), Routing((*SERVICES, more), http_routes=(route(wrong),)))
    assert asked(routed_lab) == ["shop/v1"]
    with pytest.raises(OSError, match=r"unreachable|timed out|refused"):
        connection(routed_lab, "shop/client", (*SERVICES, more), "shop/more", 80, 4)
    routing_plane.apply((), routing(to(V2)))
    assert asked(routed_lab) == ["shop/v2"]


def test_a_call_of_grpc_that_a_route_of_http_answers_gets_a_status_of_grpc(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]
) -> None:
    """Unlike in the oracle, as docs/node-proxy.md says."""
    redirected = to(V1, "/r", filters=(RequestRedirect(HERE, hostname="other.example"),))
    routing_plane.apply((), routing(to(BackendObject(HERE, "missing", port=80), "/a"), to(V1, "/b"), redirected))
    kind = [("content-type", "application/grpc")]
    with closing(connection(routed_lab, "shop/client", SERVICES, "shop/web", 80, 4)) as opened:
        answers = [ask(opened, path, "POST", headers=kind) for path in ("/a", "/c", "/r")]
    assert [(each.status, each.headers["grpc-status"]) for each in answers] == [(200, "2"), (200, "12"), (200, "2")]


def test_a_new_pod_is_client_and_backend_as_soon_as_it_is_connected(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]
) -> None:
    """The last test: the lab is another after it."""
    former = routed_lab.pod("consumer/client").pod
    more = (*SERVICES, service("heir", app="heir"))
    routing_plane.apply((), Routing(more))

    def answer(client: str, to: str) -> Answer:
        with closing(connection(routed_lab, client, more, to, 80, 6)) as opened:
            return ask(opened)

    assert answer("shop/client", "shop/heir").status == 503
    routed_lab.remove_pod(former.ref)
    heir = routed_lab.add_pod(Pod("heir", "shop", former.node, {"app": "heir"}, ports=former.ports, ips=former.ips))
    routing_plane.pods_changed((heir,), (former,))
    routed_lab.connect("shop/heir")
    assert answer("shop/heir", "shop/v1").body == "shop/v1"
    with backend(heir):
        assert answer("shop/client", "shop/heir").body == "shop/heir"
        assert answer("shop/heir", "shop/heir").body == "shop/heir"
