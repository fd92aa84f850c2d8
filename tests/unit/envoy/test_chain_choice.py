"""Which connections are taken by the chains that judge requests, and which by all others."""

from itertools import product
from pathlib import Path

import pytest
from chain_reader import Opened, chosen, met
from hypothesis import given
from hypothesis import strategies as st

from harness.envoy import configuration, tls
from harness.envoy.admission import Peers
from harness.envoy.chain_choice import SOURCE, flows_predicate
from harness.envoy.judged_flows import JudgedFlows
from harness.envoy.service_hosts import Host
from harness.envoy.service_resources import ServiceRules
from harness.envoy.sidecar_requests import Asked
from harness.envoy.tuning import Tuning
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

PORTS = (ContainerPort("http", 8080), ContainerPort("tcp-line", 2525), ContainerPort("odd", 7000))
PODS = tuple(Pod(name, "shop", "n1", ports=PORTS, ips=(f"10.0.0.{n}", f"fd00::{n}")) for n, name in enumerate("ab", 1))
FOLDER = Path("/folder")
CREDENTIALS = tls.Credentials(FOLDER / "c", FOLDER / "k", FOLDER / "a")
OTHER, WORLD, FRONT = "10.0.0.2", "192.0.2.7", "172.20.0.7"
FLOWS = JudgedFlows(8080, 8081, (Peers((f"{OTHER}/32",)),))
SERVICES = ServiceRules((Host(FRONT, 80, None, ()),))


def matcher(name: str, asked: Asked, credentials: tls.Credentials | None = None) -> dict:
    sidecar = configuration.sidecar_of(PODS[0], Topology("t", ("n1",), (Namespace("shop"),), PODS), Tuning(), credentials)
    built = configuration.listeners_of(FOLDER, sidecar, configuration.ConnectionFilters(), asked)
    return next(each["filter_chain_matcher"] for each in built if each["name"] == name)


@given(st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 65535))
def test_ports_are_met_as_numbers(one: int, other: int, asked: int) -> None:
    first, last = sorted((one, other))
    predicate = flows_predicate(JudgedFlows(first, last, (None,)), SOURCE)
    for port in (asked, first, last, max(0, first - 1), min(65535, last + 1)):
        assert met(predicate, Opened(OTHER, "10.0.0.1", port)) is (first <= port <= last)


def test_peers_are_met_but_for_those_that_are_excepted() -> None:
    among = (Peers(("10.0.0.0/8",), ("10.0.0.9/32",)), Peers(("fd00::7/128",)))
    predicate = flows_predicate(JudgedFlows(0, 65535, among, (Peers(("10.0.0.3/32",)),)), SOURCE)
    sources = ["10.0.0.2", "10.0.0.9", "10.0.0.3", "192.0.2.7", "fd00::7", "fd00::8"]
    assert [met(predicate, Opened(each, "10.0.0.1", 80)) for each in sources] == [True, False, False, False, True, False]


def test_nobody_meets_a_list_of_no_peers() -> None:
    assert not met(flows_predicate(JudgedFlows(80, 80, (Peers(()),)), SOURCE), Opened(OTHER, "10.0.0.1", 80))


@pytest.mark.parametrize("credentials", [None, CREDENTIALS])
def test_who_is_not_named_is_taken_by_the_chain_that_would_take_it_without_rules_about_requests(credentials) -> None:
    """The chains' own matches, of which Envoy takes the most specific, against the list of conditions."""
    sidecar = configuration.sidecar_of(PODS[0], Topology("t", ("n1",), (Namespace("shop"),), PODS), Tuning(), credentials)
    for listener in configuration.listeners_of(FOLDER, sidecar, configuration.ConnectionFilters()):
        choice = matcher(listener["name"], Asked(), credentials)
        kinds = [("raw_buffer", ""), ("raw_buffer", "http/1.1"), ("raw_buffer", "h2c"), ("tls", "istio"), ("tls", "istio-h2")]
        for port, (transport, application), where in product((15001, 15006, 8080, 2525, 7000, 1), kinds, (OTHER, WORLD)):
            opened = Opened("10.0.0.1", where, port, transport, application)
            assert chosen(choice, opened) == most_specific(listener["filter_chains"], opened)


def most_specific(chains: list[dict], opened: Opened) -> str | None:
    left = list(chains)
    prefixes = {f"{address}/32" for pod in PODS for address in pod.ips}
    for name, fits in (
        ("destination_port", lambda wanted: wanted == opened.port),
        ("prefix_ranges", lambda _: f"{opened.destination}/32" in prefixes),
        ("transport_protocol", lambda wanted: wanted == opened.transport),
        ("application_protocols", lambda wanted: opened.application in wanted),
    ):
        fitting = [each for each in left if name in each["filter_chain_match"] and fits(each["filter_chain_match"][name])]
        left = fitting or [each for each in left if name not in each["filter_chain_match"]]
    return left[0]["name"] if left else None


def test_judged_flows_are_taken_whatever_is_spoken() -> None:
    choice = matcher("inbound", Asked(inbound=(FLOWS,)), CREDENTIALS)
    for application in ("istio", "istio-h2", "istio-http/1.1"):
        assert chosen(choice, Opened(OTHER, "10.0.0.1", 8081, "tls", application)) == "inbound-requests"
        assert chosen(choice, Opened(OTHER, "10.0.0.1", 8082, "tls", application)) == application
        assert chosen(choice, Opened("10.0.0.3", "10.0.0.1", 8081, "tls", application)) == application


@pytest.mark.parametrize(("credentials", "name"), [(None, "outbound-requests"), (CREDENTIALS, "mesh-requests")])
def test_what_goes_to_pods_with_sidecars_is_encrypted_where_there_are_certificates(credentials, name: str) -> None:
    everywhere = JudgedFlows(80, 80, (None,))
    choice = matcher("outbound", Asked(outbound=(everywhere,)), credentials)
    assert chosen(choice, Opened("10.0.0.1", OTHER, 80)) == name
    assert chosen(choice, Opened("10.0.0.1", WORLD, 80)) == "outbound-requests"


def test_http_to_ports_of_services_is_read_as_it_came_and_nothing_else() -> None:
    choice = matcher("inbound", Asked(served=(8080, 2525, 7000)))
    taken = [
        (port, application)
        for port in (8080, 2525, 7000, 1)
        for application in ("http/1.1", "h2c", "")
        if chosen(choice, Opened(OTHER, "10.0.0.1", port, application=application)) == "inbound-requests"
    ]
    assert taken == [(8080, "http/1.1"), (8080, "h2c"), (8080, ""), (7000, "http/1.1"), (7000, "h2c")]
    encrypted = matcher("inbound", Asked(served=(8080,)), CREDENTIALS)
    assert chosen(encrypted, Opened(OTHER, "10.0.0.1", 8080, "tls", "istio")) == "istio"


def test_other_ports_of_services_are_refused() -> None:
    """Those with a listener of their own are handed over before a chain is chosen."""
    choice = matcher("outbound", Asked(services=SERVICES))
    assert chosen(choice, Opened("10.0.0.1", FRONT, 81)) == "no-such-port"
    assert chosen(choice, Opened("10.0.0.1", WORLD, 81)) == "tcp"
