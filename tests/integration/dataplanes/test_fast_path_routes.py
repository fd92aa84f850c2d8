"""Requests to Services that the kernel routes: which do, to whom, in which shares, and under which policies."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse

import pytest
from fast_clients import counted
from kernel_routes import match, routing, to, when
from request_policies import egress, http, ingress, rule
from scipy.stats import binomtest
from service_clients import Answer, ask, connection
from service_world import HERE, PORT, SERVICES
from strict_backend import StrictBackend, strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab
from harness.model.cilium import Policy
from harness.model.route import (
    BackendRef,
    HeaderChanges,
    HTTPHeader,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    RequestHeaderModifier,
    Timeouts,
    ValueMatch,
)
from harness.model.routing import Routing

CLIENT = "shop/client"
FAMILIES = pytest.mark.parametrize("family", [4, 6])
Backends = dict[str, StrictBackend]
V1, V2 = "shop/v1", "shop/v2"
"""On the other node than the client, and on its own."""


@pytest.fixture(scope="module")
def strict(routed_lab: Lab) -> Iterator[Backends]:
    with strict_backend(routed_lab.pod(V1), PORT) as v1, strict_backend(routed_lab.pod(V2), PORT) as v2:
        yield {V1: v1, V2: v2}


@pytest.fixture(scope="module")
def plane(routed_lab: Lab, strict: Backends) -> Iterator[EbpfL7Attachment]:
    with EbpfL7().attach(routed_lab) as attachment:
        assert isinstance(attachment, EbpfL7Attachment)
        yield attachment


@pytest.fixture
def opened(routed_lab: Lab) -> Iterator[Callable[..., HTTPConnection]]:
    """Opens connections to Services, which are closed afterwards."""
    all_of: list[HTTPConnection] = []

    def opening(to: str = "shop/web", client: str = CLIENT, family: int = 4) -> HTTPConnection:
        all_of.append(connection(routed_lab, client, SERVICES, to, 80, family))
        return all_of[-1]

    yield opening
    for each in all_of:
        each.close()


Asking = Callable[[], Answer]


def settled(plane: EbpfL7Attachment, asking: Asking) -> None:
    """Ask until a request has gone the fast way: the agent opens connections when the first one is missing."""
    for _ in range(200):
        before = plane.path_counts()
        assert asking().status == 200
        if counted(plane, before).get("routed"):
            return
        time.sleep(0.005)
    raise AssertionError(f"none of 200 requests took the fast path: {plane.path_counts()}")


def got(backends: Backends) -> dict[str, list[bytes]]:
    """What each backend was asked for since the last call."""
    found = {name: [each.target for each in served.seen] for name, served in backends.items()}
    for served in backends.values():
        served.seen.clear()
    return found


@FAMILIES
@pytest.mark.parametrize("name", [V1, V2])
def test_a_service_without_routes_leads_to_its_pods_past_the_proxy(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection], name: str, family: int
) -> None:
    plane.apply((), Routing(SERVICES))
    asked = opened(name, family=family)
    settled(plane, lambda: ask(asked, "/first"))
    got(strict)
    before = plane.path_counts()
    for number in range(10):
        assert ask(asked, f"/{number}").body == f"/{number} "
    assert got(strict) == {V1: [], V2: [], name: [b"/%d" % number for number in range(10)]}
    found = counted(plane, before)
    assert (found["fast"], found["routed"]) == (10, 10)
    assert (found.get("direct_asked", 0) > 0) is (name == V2), "nodes are apart: what is between them is TCP"


def test_paths_headers_and_methods_choose_the_backend_in_the_kernel(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection]
) -> None:
    plane.apply(
        (),
        routing(
            when(match("/"), "v1"),
            when(match("/two"), "v2"),
            when(match("/two/exactly", "Exact"), "v1"),
            when(match("/headers", x_version="two"), "v2"),
            when(match("/methods", method="POST"), "v2"),
        ),
    )
    asked = opened()
    settled(plane, lambda: ask(asked, "/"))
    settled(plane, lambda: ask(asked, "/two"))
    got(strict)
    before = plane.path_counts()
    asked_for: list[tuple[str, str, dict[str, str], str]] = [
        ("GET", "/two", {}, V2),
        ("GET", "/two/three?x=/two/exactly", {}, V2),
        ("GET", "/twofold", {}, V1),
        ("GET", "/two/exactly", {}, V1),
        ("GET", "/two/exactly?x", {}, V1),
        ("GET", "/headers", {"X-Version": "two"}, V2),
        ("GET", "/headers/more", {"x-version": "two", "X-Other": "two"}, V2),
        ("GET", "/headers", {"X-Version": "twofold"}, V1),
        ("GET", "/headers", {}, V1),
        ("POST", "/methods", {}, V2),
        ("GET", "/methods", {}, V1),
        ("POST", "/", {}, V1),
    ]
    for method, path, headers, backend in asked_for:
        assert ask(asked, path, method, headers=headers.items()).status == 200
        assert got(strict) == {V1: [], V2: [], backend: [path.encode()]}, (method, path, headers)
    assert counted(plane, before)["routed"] == len(asked_for)


def test_backends_get_their_weights(plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection]) -> None:
    plane.apply((), routing(HTTPRouteRule(HERE, backend_refs=to("v1", "v2", "nobody", weights=(3, 1, 0)))))
    asked = opened()
    settled(plane, lambda: ask(asked, "/"))
    got(strict)
    before, count = plane.path_counts(), 800
    for _ in range(count):
        assert ask(asked, "/").status == 200
    assert counted(plane, before)["routed"] == count
    assert binomtest(len(got(strict)[V1]), count, 3 / 4).pvalue > 1e-6


SLOW = {
    "an expression": (when(match("/odd.*", "RegularExpression"), "v2"), "slow_route_match"),
    "a parameter": (
        HTTPRouteRule(
            HERE,
            matches=(HTTPRouteMatch(HERE, PathMatch(None, "/odd"), None, (ValueMatch("q", "1"),)),),
            backend_refs=to("v2"),
        ),
        "slow_route_match",
    ),
    "a filter": (
        HTTPRouteRule(
            HERE,
            matches=(match("/odd"),),
            filters=(RequestHeaderModifier(HERE, HeaderChanges(add=(HTTPHeader("X-New", "1"),))),),
            backend_refs=to("v2"),
        ),
        "slow_route_filter",
    ),
    "a time limit": (
        HTTPRouteRule(HERE, matches=(match("/odd"),), backend_refs=to("v2"), timeouts=Timeouts("5s")),
        "slow_route_times",
    ),
    "a Service without endpoints": (
        HTTPRouteRule(HERE, matches=(match("/odd"),), backend_refs=to("v2", "nobody", weights=(1000, 1))),
        "slow_route_answered",
    ),
}


@pytest.mark.parametrize("kind", SLOW)
def test_what_a_slow_rule_may_take_goes_slowly_and_nothing_else_does(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection], kind: str
) -> None:
    rule, reason = SLOW[kind]
    plane.apply((), routing(when(match("/"), "v1"), rule))
    asked = opened()
    settled(plane, lambda: ask(asked, "/"))
    got(strict)
    before = plane.path_counts()
    for _ in range(10):
        assert ask(asked, "/odd?q=1").status in (200, 503)
        assert ask(asked, "/").status == 200
    found = got(strict)
    assert found[V1] == [b"/"] * 10
    assert set(found[V2]) == {b"/odd?q=1"}
    counts = counted(plane, before)
    assert (counts["routed"], counts[reason]) == (10, 10)


def test_a_rule_with_a_backend_that_may_refuse_is_drawn_for_by_envoy_alone(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection]
) -> None:
    """Drawn for twice, the backend that refuses would have less than its share of requests."""
    routes = routing(when(match("/"), "v1", "v2"), when(match("/two"), "v2"))
    plane.apply([ingress("v1", rule("v2"))], routes)
    asked = opened()
    settled(plane, lambda: ask(asked, "/two"))
    got(strict)
    before, count = plane.path_counts(), 400
    statuses = [ask(asked, "/").status for _ in range(count)]
    assert set(statuses) == {200, 403}
    assert binomtest(statuses.count(403), count, 1 / 2).pvalue > 1e-6
    assert got(strict) == {V1: [], V2: [b"/"] * statuses.count(200)}
    assert counted(plane, before)["slow_route_refused"] == count
    assert ask(asked, "/two").status == 200


@FAMILIES
@pytest.mark.parametrize("name", ["v1", "v2"])
def test_rules_about_requests_are_asked_of_the_backend(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection], name: str, family: int
) -> None:
    policies: list[Policy] = [
        ingress(name, rule("client", http("/public/.*"))),
        egress("client", rule(name, http("/.*/get", "GET"), http("/public/.*", "POST"), http("/public/[ab]", "GET"))),
    ]
    plane.apply(policies, Routing(SERVICES))
    asked = opened(f"shop/{name}", family=family)
    settled(plane, lambda: ask(asked, "/public/a"))
    got(strict)
    before = plane.path_counts()
    for _ in range(5):
        assert ask(asked, "/public/b").status == 200
        assert ask(asked, "/public/c", "POST").status == 200
        assert ask(asked, "/public/c").status == 403
        assert ask(asked, "/private/a").status == 403
        assert ask(asked, "/public/get").status == 200  # by a rule that the kernel cannot ask
    assert got(strict)[f"shop/{name}"] == [b"/public/b", b"/public/c", b"/public/get"] * 5
    found = counted(plane, before)
    assert (found["routed"], found["slow_route_refused"]) == (10, 15)


def test_changes_of_routes_hold_for_requests_on_open_connections(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection]
) -> None:
    asked = opened_first = None
    for turn in range(4):
        name, other = (V1, V2) if turn % 2 else (V2, V1)
        plane.apply((), routing(when(match("/"), name.removeprefix("shop/"))))
        asked = opened_first = opened_first or opened()
        got(strict)
        assert ask(asked, "/after").status == 200
        settled(plane, lambda asked=asked: ask(asked, "/after"))
        assert ask(asked, "/after").status == 200
        found = got(strict)
        assert (len(found[name]) >= 3, found[other]) == (True, [])
    plane.apply((), routing(when(match("/only"), "v1")))
    assert asked is not None
    assert ask(asked, "/after").status == 404


def test_revocation_holds_for_requests_on_open_connections(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection]
) -> None:
    routes = routing(when(match("/"), "v2"))
    plane.apply((), routes)
    asked = opened()
    for policies in (
        [ingress("v2", rule("v1"))],
        [ingress("v2", rule("client", http("/other")))],
        [egress("client", rule("v1"))],
        [ingress("v2", rule("client"), deny=(rule("client"),))],
    ):
        settled(plane, lambda: ask(asked, "/revoked"))
        plane.apply(policies, routes)
        got(strict)
        before = plane.path_counts()
        for _ in range(3):
            assert ask(asked, "/revoked").status == 403
        assert got(strict) == {V1: [], V2: []}
        assert "fast" not in counted(plane, before)
        plane.apply((), routes)


def test_routes_of_the_clients_own_namespace_are_for_its_clients_alone(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection]
) -> None:
    parent = ParentReference(HERE, "web", "", "Service", "shop")
    consumer = HTTPRoute(HERE, "c", "consumer", (parent,), None, (HTTPRouteRule(HERE, backend_refs=in_shop(to("v2"))),))
    plane.apply((), Routing(SERVICES, http_routes=(*routing(when(match("/"), "v1")).http_routes, consumer)))
    for client, name in ((CLIENT, V1), ("consumer/client", V2)):
        asked = opened(client=client)
        settled(plane, lambda asked=asked: ask(asked, "/"))
        got(strict)
        assert ask(asked, f"/{name}").status == 200
        assert got(strict)[name] == [f"/{name}".encode()]


def in_shop(refs: tuple[BackendRef, ...]) -> tuple[BackendRef, ...]:
    return tuple(replace(ref, backend=replace(ref.backend, namespace="shop")) for ref in refs)


def test_a_pod_that_is_its_own_backend_is_left_to_the_proxy(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection]
) -> None:
    plane.apply((), Routing(SERVICES))
    asked, begun = opened("shop/v2", client=V2), plane.path_counts()
    for _ in range(200):
        assert ask(asked, "/own").status == 200
        if counted(plane, begun).get("slow_route_own"):  # of the first nothing is known
            break
    before = plane.path_counts()
    for _ in range(10):
        assert ask(asked, "/own").status == 200
    assert counted(plane, before)["slow_route_own"] == 10
    assert "fast" not in counted(plane, begun)


def test_many_clients_get_each_their_own_answers_while_routes_change(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection]
) -> None:
    """Random sizes, some that only the proxy understands; what changes is who gets ``/either``, and by which policies."""
    fixed = [when(match("/one"), "v1"), when(match("/two"), "v2"), when(match("/one/two", x_to="two"), "v2")]
    turns = [
        routing(*fixed, HTTPRouteRule(HERE, matches=(match("/either"),), backend_refs=to("v1", "v2", weights=weights)))
        for weights in ((1, 1), (0, 1), (1, 0), (5, 1))
    ]
    policies: list[list[Policy]] = [[ingress("v2", rule("client", http("/(two|either|one/two)/[^s].*"), http("/two/.*")))], []]
    wrong: list[object] = []

    def work(seed: int, asked: HTTPConnection) -> None:
        chance = random.Random(seed)
        for number in range(120):
            path = chance.choice(["/one", "/two", "/either", "/one/two"])
            target, body = f"{path}/{seed}/{number}", chance.randbytes(chance.choice([0, 3, 700, 20_000]))
            headers = f"Host: web\r\nContent-Length: {len(body)}\r\n" + ("X-To: two\r\n" if path == "/one/two" else "")
            headers += "Te: trailers\r\n" if chance.random() < 0.01 else ""
            asked.sock.sendall(f"POST {target} HTTP/1.1\r\n{headers}\r\n".encode() + body)
            response = HTTPResponse(asked.sock, method="POST")
            response.begin()
            answer = response.status, response.read()
            if answer != (200, target.encode() + b" " + body):
                wrong.append((target, answer[0], answer[1][:200]))
                return

    plane.apply(policies[0], turns[0])
    got(strict)
    before = plane.path_counts()
    threads = [threading.Thread(target=work, args=(seed, opened())) for seed in range(10)]
    for each in threads:
        each.start()
    turn = 0
    while any(each.is_alive() for each in threads):
        turn += 1
        plane.apply(policies[turn % 2], turns[turn % len(turns)])
        threads[0].join(1.0)
    assert not wrong
    found = got(strict)
    assert not [each for each in found[V1] if each.startswith((b"/two", b"/one/two"))]
    assert not [each for each in found[V2] if each.startswith(b"/one/") and not each.startswith(b"/one/two")]
    assert len(found[V1]) + len(found[V2]) == 10 * 120, "each arrived once"
    assert counted(plane, before)["routed"] > 100


def test_nothing_is_kept_of_connections_that_are_closed(
    plane: EbpfL7Attachment, strict: Backends, opened: Callable[..., HTTPConnection]
) -> None:
    plane.apply((), routing(when(match("/"), "v1", "v2")))
    asked = [opened() for _ in range(5)]
    for each in asked:
        settled(plane, lambda each=each: ask(each, "/"))
        each.close()
    plane.apply((), Routing(SERVICES))  # the agent's are renewed
    kept = held = {"some": 1}
    deadline = time.monotonic() + 10
    while any(kept.values()) and time.monotonic() < deadline:
        held = plane.path_held()
        kept = {name: count for name, count in held.items() if name != "ends"}  # the backend's sockets are the test's to close
        time.sleep(0.05)
    assert not any(kept.values()), held
