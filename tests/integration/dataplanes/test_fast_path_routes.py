"""Requests to Services that the kernel routes: which do, to whom, in which shares, and under which policies."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection

import pytest
from fast_clients import counted
from request_policies import egress, http, ingress, rule
from scipy.stats import binomtest
from service_clients import Answer, ask, connection
from service_world import HERE, PORT, SERVICES
from strict_backend import StrictBackend, strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab
from harness.model.cilium import Policy
from harness.model.route import (
    BackendObject,
    BackendRef,
    HeaderChanges,
    HTTPHeader,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    RequestHeaderModifier,
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


def to(*names: str, weights: Sequence[int] = ()) -> tuple[BackendRef, ...]:
    given = weights or [1] * len(names)
    return tuple(BackendRef(BackendObject(HERE, name, port=80), weight) for name, weight in zip(names, given, strict=True))


def match(path: str | None = None, kind: str = "PathPrefix", method: str | None = None, **headers: str) -> HTTPRouteMatch:
    asked = tuple(ValueMatch(name.replace("_", "-"), value) for name, value in headers.items())
    return HTTPRouteMatch(HERE, PathMatch(kind, path) if path else None, asked or None, None, method)


def routing(*rules: HTTPRouteRule) -> Routing:
    route = HTTPRoute(HERE, "r", "shop", (ParentReference(HERE, "web", "", "Service"),), None, rules)
    return Routing(SERVICES, http_routes=(route,) if rules else ())


def when(asked: HTTPRouteMatch, *names: str) -> HTTPRouteRule:
    return HTTPRouteRule(HERE, matches=(asked,), backend_refs=to(*names))


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
