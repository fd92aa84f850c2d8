"""The fast path routes requests to Services as Envoy does: same answers, and the same bytes for backends, whatever is sent."""

import socket
from collections.abc import Iterator

import pytest
from both_paths import SECONDS, WAYS, Observed, observed
from request_policies import http, ingress, rule
from service_clients import connection
from service_world import HERE, PORT, SERVICES
from strict_backend import StrictBackend, strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment
from harness.lab.port import Lab
from harness.model.route import (
    BackendObject,
    BackendRef,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    ValueMatch,
)
from harness.model.routing import Routing

TO_V2, TO_V1 = ((BackendRef(BackendObject(HERE, name, port=80)),) for name in ("v2", "v1"))
RULES = (
    HTTPRouteRule(HERE, matches=(HTTPRouteMatch(HERE, PathMatch("PathPrefix", "/")),), backend_refs=TO_V2),
    HTTPRouteRule(
        HERE,
        matches=(HTTPRouteMatch(HERE, PathMatch("PathPrefix", "/public"), (ValueMatch("X-Case", "none"),), None, "GET"),),
        backend_refs=TO_V1,
    ),
)
ROUTING = Routing(
    SERVICES, http_routes=(HTTPRoute(HERE, "r", "shop", (ParentReference(HERE, "web", "", "Service"),), None, RULES),)
)


@pytest.fixture(scope="module")
def strict(routed_lab: Lab) -> Iterator[StrictBackend]:
    with strict_backend(routed_lab.pod("shop/v2"), PORT) as served:
        yield served


@pytest.fixture(scope="module", params=[NodeProxy(), EbpfL7()], ids=lambda plane: plane.name)
def either(routed_lab: Lab, strict: StrictBackend, request: pytest.FixtureRequest) -> Iterator[Attachment]:
    methods = [http("/public/.*", method) for method in ("GET", "POST", "HEAD")]
    with request.param.attach(routed_lab) as attachment:
        attachment.apply([ingress("v2", rule("client", *methods))], ROUTING)
        yield attachment


@pytest.fixture(scope="module")
def by_envoy() -> dict[str, dict[str, Observed]]:
    """What was observed of the node proxy, by the way of sending and the case's name."""
    return {}


@pytest.mark.parametrize("way", WAYS)
def test_both_paths_route_alike(
    either: Attachment, routed_lab: Lab, strict: StrictBackend, by_envoy: dict[str, dict[str, Observed]], way: str
) -> None:
    def connect() -> socket.socket:
        opened: socket.socket = connection(routed_lab, "shop/client", SERVICES, "shop/web", 80, 4).sock
        opened.settimeout(SECONDS)
        return opened

    found = observed(connect, strict, way)
    denied = {name: seen for name, (_, seen) in found.items() if any(b"private" in each.target for each in seen)}
    assert not denied, "denied requests reached the backend"
    if isinstance(either, EbpfL7Attachment):
        assert either.path_counts()["routed"] > 0
        assert {name: (found[name], each) for name, each in by_envoy[way].items() if found[name] != each} == {}
    else:
        by_envoy[way] = found
