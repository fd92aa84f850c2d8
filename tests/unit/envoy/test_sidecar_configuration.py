"""What a sidecar is configured with, apart from policy."""

import dataclasses
from pathlib import Path

import pytest

from harness.envoy import configuration, process, sidecar_requests, tls
from harness.envoy.admission import Peers
from harness.envoy.judged_flows import JudgedFlows
from harness.envoy.listeners import Sidecar
from harness.envoy.protocol import Protocol, declared_protocols
from harness.envoy.service_hosts import Host
from harness.envoy.service_resources import ServiceRules
from harness.envoy.sidecar_requests import Asked
from harness.envoy.tuning import Tuning
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

PORTS = (ContainerPort("http", 8080), ContainerPort("tcp-line", 2525), ContainerPort("odd", 7000))
PODS = tuple(
    Pod(name, "shop", "n1", ports=PORTS, ips=(f"10.0.0.{number}", f"fd00::{number}")) for number, name in enumerate("ab", 1)
)
TOPOLOGY = Topology("t", ("n1",), (Namespace("shop"),), PODS)
FOLDER = Path("/folder")
FLOWS = (JudgedFlows(8080, 8080, (Peers(("10.0.0.2", "fd00::2")),)),)
ASKED = Asked(FLOWS, FLOWS, services=ServiceRules((Host("172.20.0.7", 80, None, ()),)))
CREDENTIALS = tls.Credentials(FOLDER / "c", FOLDER / "k", FOLDER / "a")


def sidecar(tuning: Tuning, credentials: tls.Credentials | None = None) -> Sidecar:
    return configuration.sidecar_of(PODS[0], TOPOLOGY, tuning, credentials)


def everything(tuning: Tuning) -> str:
    described = sidecar(tuning, CREDENTIALS)
    return repr(
        (
            process.command(FOLDER, tuning, 0),
            configuration.bootstrap_of(PODS[0], FOLDER, described, FOLDER / "xds.sock"),
            configuration.listeners_of(FOLDER, described, configuration.ConnectionFilters(), ASKED),
            sidecar_requests.request_routes(ASKED, tuning, encrypted=True),
        )
    )


def listeners(credentials: tls.Credentials | None, asked: Asked | None = None) -> dict[str, dict]:
    built = configuration.listeners_of(FOLDER, sidecar(Tuning(), credentials), configuration.ConnectionFilters(), asked)
    return {listener["name"]: listener for listener in built}


@pytest.mark.parametrize("field", dataclasses.fields(Tuning), ids=lambda field: field.name)
def test_every_tuning_field_reaches_envoy(field):
    value = field.default
    other = (not value) if isinstance(value, bool) else (value or 0) + 7
    assert everything(dataclasses.replace(Tuning(), **{field.name: other})) != everything(Tuning())


def test_both_listeners_take_both_families():
    for name, port in (("outbound", 15001), ("inbound", 15006)):
        listener = listeners(None)[name]
        addresses = [listener["address"], *(more["address"] for more in listener["additional_addresses"])]
        taken = [(address["socket_address"]["address"], address["socket_address"]["port_value"]) for address in addresses]
        assert taken == [("0.0.0.0", port), ("::", port)]  # noqa: S104 - what a sidecar listens on, in its pod


def test_with_certificates_nothing_arrives_but_mutual_tls():
    chains = [chain for chain in listeners(CREDENTIALS)["inbound"]["filter_chains"] if chain["name"] != "black-hole"]
    assert chains
    for chain in chains:
        assert chain["filter_chain_match"]["transport_protocol"] == "tls"
        context = chain["transport_socket"]["typed_config"]
        assert context["require_client_certificate"] is True
        assert context["common_tls_context"]["validation_context"]["trusted_ca"] == {"filename": "/folder/a"}
    assert "default_filter_chain" not in listeners(CREDENTIALS)["inbound"]


def test_each_application_protocol_that_a_client_sends_has_a_chain_at_the_server():
    offered = set()
    for tuning in (Tuning(), Tuning(mtls_http2=True)):
        bootstrap = configuration.bootstrap_of(PODS[0], FOLDER, sidecar(tuning, CREDENTIALS), FOLDER)
        for cluster in bootstrap["static_resources"]["clusters"]:
            if "transport_socket" in cluster:
                offered.update(cluster["transport_socket"]["typed_config"]["common_tls_context"]["alpn_protocols"])
    chains = listeners(CREDENTIALS)["inbound"]["filter_chains"]
    taken = {alpn for chain in chains for alpn in chain["filter_chain_match"].get("application_protocols", ())}
    assert offered == taken


def test_every_cluster_that_a_listener_names_exists():
    for credentials in (None, CREDENTIALS):
        bootstrap = configuration.bootstrap_of(PODS[0], FOLDER, sidecar(Tuning(), credentials), FOLDER)
        names = {cluster["name"] for cluster in bootstrap["static_resources"]["clusters"]}
        for listener in listeners(credentials).values():
            for chain in listener["filter_chains"]:
                proxy = chain["filters"][-1]["typed_config"]
                used = proxy.get("cluster") or proxy["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["cluster"]
                assert used in names


@pytest.mark.parametrize("credentials", [None, CREDENTIALS])
def test_every_cluster_that_requests_go_to_exists(credentials):
    named = {each["name"] for each in sidecar_requests.request_clusters(ASKED, Tuning(), credentials)}
    routes = sidecar_requests.request_routes(ASKED, Tuning(), encrypted=credentials is not None)
    used = {
        route["route"]["cluster"]
        for name, each in routes.items()
        if name != "services"
        for host in each["virtual_hosts"]
        for route in host["routes"]
    }
    assert used == named


@pytest.mark.parametrize("credentials", [None, CREDENTIALS])
def test_chains_that_judge_requests_leave_all_others_as_they_are(credentials):
    """Else the first rule about requests would cut every connection."""
    without, judging = listeners(credentials), listeners(credentials, ASKED)
    for name, listener in without.items():
        before, after = listener.pop("filter_chains"), judging[name].pop("filter_chains")
        assert after[: len(before)] == before
        assert len(after) > len(before)
        assert judging[name].pop("filter_chain_matcher")
        assert judging[name] == listener
    assert judging["service 172.20.0.7:80"]["bind_to_port"] is False


def test_requests_of_other_pods_are_judged_inside_mutual_tls_alone():
    chains = {each["name"]: each for each in listeners(CREDENTIALS, ASKED)["inbound"]["filter_chains"]}
    context = chains["inbound-requests"]["transport_socket"]["typed_config"]
    assert context["require_client_certificate"] is True
    assert "alpn_protocols" not in context["common_tls_context"]  # what is inside shows itself


@pytest.mark.parametrize(
    ("credentials", "follow"), [(None, {"inbound-http1", "passthrough-http1"}), (CREDENTIALS, {"passthrough-http1"})]
)
def test_a_port_called_http_is_spoken_to_as_its_client_speaks(credentials, follow):
    """So that it may serve gRPC; not inside mutual TLS, where the other sidecar has been told HTTP/1.1."""
    bootstrap = configuration.bootstrap_of(PODS[0], FOLDER, sidecar(Tuning(), credentials), FOLDER)
    clusters = {each["name"]: repr(each) for each in bootstrap["static_resources"]["clusters"]}
    assert {name for name, said in clusters.items() if "use_downstream_protocol_config" in said} == follow


def test_own_ports_lead_nowhere():
    for listener, port in (("outbound", 15001), ("inbound", 15006)):
        for credentials in (None, CREDENTIALS):
            [chain] = [c for c in listeners(credentials)[listener]["filter_chains"] if c["name"] == "black-hole"]
            assert chain["filter_chain_match"] == {"destination_port": port}


def test_names_of_ports_tell_the_protocol():
    ports = {name: number for number, name in enumerate(("http", "http-admin", "http2", "grpc-web", "tcp", "tcp-x", "web"), 1)}
    declared = declared_protocols([Pod("a", "s", "n", ports=tuple(ContainerPort(name, port) for name, port in ports.items()))])
    assert {name: declared.get(port) for name, port in ports.items()} == {
        "http": Protocol.HTTP1,
        "http-admin": Protocol.HTTP1,
        "http2": Protocol.HTTP2,
        "grpc-web": Protocol.HTTP2,
        "tcp": Protocol.TCP,
        "tcp-x": Protocol.TCP,
        "web": None,
    }


def test_port_that_two_pods_declare_differently_is_sniffed():
    def declaring(name: str, protocol: str = "TCP") -> Pod:
        return Pod(name, "s", "n", ports=(ContainerPort(name, 80, protocol),))

    assert declared_protocols([declaring("http"), declaring("tcp")]) == {}
    assert declared_protocols([declaring("http"), declaring("web")]) == {}
    assert declared_protocols([declaring("http"), declaring("dns", "UDP")]) == {80: Protocol.HTTP1}
