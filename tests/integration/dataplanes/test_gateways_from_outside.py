"""Hosts outside of the cluster, who they are to backends, and what is not theirs to reach."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from http_ends import Backend, backend
from service_clients import ask
from service_world import HERE, ROUTED, SERVICES

from harness.dataplanes.ebpf import Ebpf
from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.plain import Plain
from harness.dataplanes.port import Attachment, DataPlane, DataPlaneError
from harness.lab import netns
from harness.lab.ends import end
from harness.lab.gateway_addresses import gateway_addresses
from harness.lab.port import Lab, LabPod
from harness.lab.service_addresses import service_addresses
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, Rule
from harness.model.route import (
    BackendObject,
    BackendRef,
    Gateway,
    GatewayAddress,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    Listener,
    ParentReference,
    PathMatch,
)
from harness.model.routing import Routing
from harness.model.topology import OutsideHost
from harness.traffic.probe import probe_all
from harness.traffic.responder import serve_all

OPEN = replace(
    ROUTED,
    outside=(
        OutsideHost("visitor", "n1", ("192.0.2.7", "2001:db8::7")),
        OutsideHost("neighbour", "n1", ("192.0.2.8", "2001:db8::8")),
        OutsideHost("partner", "n2", ("198.51.100.9", "2001:db8:1::9")),
    ),
)
EDGE = Gateway(HERE, "edge", "shop", "c", (Listener(HERE, "http", 80, "HTTP"),))


def rule(version: str) -> HTTPRouteRule:
    match = HTTPRouteMatch(HERE, PathMatch("PathPrefix", f"/{version}"))
    return HTTPRouteRule(HERE, matches=(match,), backend_refs=(BackendRef(BackendObject(HERE, version, port=80)),))


ROUTE = HTTPRoute(HERE, "r", "shop", (ParentReference(HERE, "edge"),), None, (rule("v1"), rule("v2")))
ROUTING = Routing(SERVICES, (EDGE,), (ROUTE,))
ALLOWED = NetworkPolicy(
    Origin("policy.yaml", 3),
    "visitors",
    "shop",
    LabelSelector({"tier": "backend"}),
    ingress=(
        Rule(
            HERE,
            peers=(
                Peer(HERE, ip_block=IPBlock("192.0.2.0/24")),
                Peer(HERE, ip_block=IPBlock("2001:db8::/48")),
                Peer(HERE, pod_selector=LabelSelector({"app": "client"})),
            ),
        ),
    ),
)


@pytest.fixture(scope="module")
def open_lab(root: None) -> Iterator[Lab]:
    with netns.up(OPEN) as lab:
        yield lab


@pytest.fixture(scope="module")
def versions(open_lab: Lab) -> Iterator[dict[str, Backend]]:
    with backend(open_lab.pod("shop/v1")) as v1, backend(open_lab.pod("shop/v2")) as v2:
        yield {"v1": v1, "v2": v2}


@pytest.fixture(scope="module")
def plane(open_lab: Lab, versions: dict[str, Backend]) -> Iterator[Attachment]:
    with NodeProxy().attach(open_lab) as attachment:
        yield attachment


def edge(lab: Lab, family: int) -> str:
    found = gateway_addresses([EDGE], service_addresses(SERVICES, lab.topology), lab.topology)["shop/edge"]
    return found[family == 6]


@contextmanager
def connected(client: LabPod, address: str, source: str | None = None) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection(address, 80, timeout=5)
    opened.auto_open = 0  # else from the namespace of the test
    with client.entered():
        opened.sock = socket.create_connection((address, 80), 1.5, None if source is None else (source, 0))
    with closing(opened):
        yield opened


@contextmanager
def also(host: LabPod, address: str) -> Iterator[None]:
    """The host takes an address for its own that is another's."""
    family, length = (6, 128) if ":" in address else (4, 32)
    what = [f"{address}/{length}", "dev", "eth0"]
    host.run(["ip", f"-{family}", "addr", "add", *what, *(["nodad"] if family == 6 else [])])
    try:
        yield
    finally:
        host.run(["ip", f"-{family}", "addr", "del", *what])


@pytest.mark.parametrize("client", ["192.0.2.7", "2001:db8::7", "198.51.100.9", "2001:db8:1::9"])
def test_backends_on_either_node_see_the_clients_own_address(
    plane: Attachment, open_lab: Lab, versions: dict[str, Backend], client: str
) -> None:
    plane.apply((), ROUTING)
    with connected(end(open_lab, client), edge(open_lab, 6 if ":" in client else 4)) as opened:
        for name, each in versions.items():
            each.seen.clear()
            assert (ask(opened, f"/{name}").body, each.seen[0].peer) == (f"shop/{name}", client)


def test_what_a_host_says_of_itself_stays_and_nothing_is_added(
    plane: Attachment, open_lab: Lab, versions: dict[str, Backend]
) -> None:
    plane.apply((), ROUTING)
    sent = [("X-Forwarded-For", "10.1.0.2"), ("x-CASED", "kept"), ("X-Forwarded-Proto", "https")]
    with connected(end(open_lab, "192.0.2.7"), edge(open_lab, 4)) as opened:
        versions["v1"].seen.clear()
        ask(opened, "/v1", host="shop.example", headers=sent)
    assert sorted(versions["v1"].seen[0].lines) == sorted(
        [b"Host: shop.example", *(f"{name}: {value}".encode() for name, value in sent)]
    )


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("victim", ["shop/client", "shop/v1"], ids=["of its node", "of another node"])
def test_a_pods_address_does_not_pass_outside_of_it(
    plane: Attachment, open_lab: Lab, versions: dict[str, Backend], victim: str, family: int
) -> None:
    """Else whoever can send in a pod's name is let in where that pod is."""
    plane.apply([ALLOWED], ROUTING)
    host, address = end(open_lab, "192.0.2.7"), open_lab.pod(victim).pod.ip(family)
    with also(host, address), pytest.raises(TimeoutError), connected(host, edge(open_lab, family), address):
        pass
    found = plane.evidence(Flow(victim, edge(open_lab, family), 80, family=family))
    assert found is not None
    assert found.reason == "spoofed_source"


def refusals(host: LabPod) -> int:
    """How many segments of no connection of its own the host's kernel has answered."""
    names, values = (
        line.split() for line in host.run(["cat", "/proc/net/snmp"]).stdout.splitlines() if line.startswith("Tcp:")
    )
    return int(values[names.index("OutRsts")])


@pytest.mark.parametrize("family", [4, 6])
def test_nor_does_the_address_of_another_host(
    plane: Attachment, open_lab: Lab, versions: dict[str, Backend], family: int
) -> None:
    """The answer would go to that host, which has asked nothing."""
    plane.apply((), ROUTING)
    host, address = end(open_lab, "192.0.2.7"), "192.0.2.8" if family == 4 else "2001:db8::8"
    other = end(open_lab, address)
    before = refusals(other)
    with also(host, address), pytest.raises(TimeoutError), connected(host, edge(open_lab, family), address):
        pass
    assert refusals(other) == before
    with connected(host, edge(open_lab, family)) as opened:
        assert ask(opened, "/v1").status == 200


@pytest.mark.parametrize("family", [4, 6])
def test_services_are_not_reached_from_outside(
    plane: Attachment, open_lab: Lab, versions: dict[str, Backend], family: int
) -> None:
    plane.apply((), ROUTING)
    address = service_addresses(SERVICES, open_lab.topology)["shop/v1"][family == 6]
    with connected(open_lab.pod("shop/client"), address) as opened:
        assert ask(opened, "/v1").status == 200
    client = "192.0.2.7" if family == 4 else "2001:db8::7"
    with pytest.raises(TimeoutError), connected(end(open_lab, client), address):
        pass


@pytest.mark.parametrize("client", ["192.0.2.7", "2001:db8::7", "shop/client"])
def test_a_port_without_a_listener_is_refused(plane: Attachment, open_lab: Lab, client: str) -> None:
    plane.apply((), ROUTING)
    address = edge(open_lab, 6 if client == "2001:db8::7" else 4)
    with pytest.raises(ConnectionRefusedError), end(open_lab, client).entered():
        socket.create_connection((address, 81), 5).close()


def test_a_gateway_that_goes_is_asked_no_more(plane: Attachment, open_lab: Lab, versions: dict[str, Backend]) -> None:
    """Over open connections all is refused, as where nothing is known of a request."""
    plane.apply((), ROUTING)
    with connected(end(open_lab, "192.0.2.7"), edge(open_lab, 4)) as opened:
        assert ask(opened, "/v1").status == 200
        plane.apply((), Routing(SERVICES))
        assert ask(opened, "/v1").status == 403
    with pytest.raises(OSError, match=r"timed out|unreachable"), connected(end(open_lab, "192.0.2.7"), edge(open_lab, 4)):
        pass


def test_an_address_that_cannot_be_had_is_refused_by_file_and_line(plane: Attachment, open_lab: Lab) -> None:
    plane.apply((), ROUTING)
    named = replace(EDGE, addresses=(GatewayAddress(Origin("m.yaml", 7), "Hostname", "edge.example"),))
    with pytest.raises(DataPlaneError, match=r"m.yaml:7: address of type Hostname of Gateway shop/edge"):
        plane.apply((), replace(ROUTING, gateways=(named,)))


@pytest.mark.parametrize("plane", [Plain(), Ebpf()], ids=lambda each: each.name)
def test_flows_from_outside_to_pods_are_judged_as_those_of_their_addresses(root: None, plane: DataPlane) -> None:
    with netns.up(OPEN) as lab, serve_all(lab.pods, [8080]), plane.attach(lab) as attachment:
        attachment.apply([] if plane.name == "plain" else [ALLOWED])
        clients = ["192.0.2.7", "2001:db8::7", "198.51.100.9", "2001:db8:1::9"]
        flows = [
            Flow(client, f"shop/{pod}", 8080, family=6 if ":" in client else 4) for client in clients for pod in ("v1", "v2")
        ]
        seen = {flow: each.verdict for flow, each in zip(flows, probe_all(flows, lab), strict=True)}
    allowed = {flow for flow in flows if plane.name == "plain" or flow.source in ("192.0.2.7", "2001:db8::7")}
    assert seen == {flow: Verdict.FORWARDED if flow in allowed else Verdict.DROPPED for flow in flows}
