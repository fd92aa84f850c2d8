"""What a node's Envoy for TCP is told: who meets which chain, by a reader of Envoy's own order of choice."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from harness.dataplanes import find
from harness.envoy import process, tls
from harness.envoy.l4_policy import pod_filters
from harness.envoy.l4_redirect import MARK, attach_script, detach_script, members, question, ruleset
from harness.envoy.l4_resources import ACCEPTED_MARK, LocalPod, NodeView, declared_ports, described
from harness.envoy.l4_tuning import DEFAULTS, L4Tuning, parse
from harness.envoy.node_bootstrap import node_bootstrap
from harness.envoy.resources import message
from harness.envoy.selection import Selection
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

FOLDER = Path("/folder")
AT = Origin("policy.yaml", 1)
OTHERS = {
    "concurrency": 5,
    "trust_port_names": False,
    "access_log": True,
    "all_statistics": True,
    "exact_balance": True,
    "buffer_bytes": 32768,
    "drain_seconds": 7,
    "handover_seconds": 9,
}
PODS = tuple(
    Pod(name, "shop", node, {"app": name}, ips=(f"10.0.{node[1]}.{number}", f"fd00:{node[1]}::{number}"))
    for name, node, number in (("a", "n1", 1), ("b", "n1", 2), ("far", "n2", 1))
)
SELECTION = Selection(Topology("t", ("n1", "n2"), (Namespace("shop"),), PODS))
ISOLATED = NetworkPolicy(AT, "p", "shop", LabelSelector(), policy_types=("Ingress", "Egress"))


def view(*policies: NetworkPolicy) -> NodeView:
    own = tuple(
        LocalPod(pod, tls.Credentials(FOLDER / pod.name, FOLDER / "k", FOLDER / "a"), pod_filters(pod, policies, SELECTION))
        for pod in PODS
        if pod.node == "n1"
    )
    return NodeView(own, PODS[2].ips, (2525,))


def listeners(*policies: NetworkPolicy) -> dict[str, dict[str, Any]]:
    _, found = described(view(*policies), DEFAULTS, FOLDER)
    return {each["name"]: each for each in found}


def chain(listener: dict[str, Any], source: str, destination: str, port: int = 8080) -> dict[str, Any] | None:
    """Port, then destination, then source: the most specific of each, and what was passed over is not gone back to."""
    left = [each["filter_chain_match"] | {"chain": each} for each in listener["filter_chains"]]

    def narrowed(key: str, rank: Callable[[Any], int]) -> None:
        nonlocal left
        best = max((rank(each.get(key)) for each in left), default=-1)
        left = [each for each in left if rank(each.get(key)) == best and best >= 0]

    def of(address: str) -> Callable[[Any], int]:
        def length(prefixes: list[dict[str, Any]] | None) -> int:
            if prefixes is None:
                return 0
            networks = [ip_network((each["address_prefix"], each["prefix_len"])) for each in prefixes]
            return max((network.prefixlen for network in networks if ip_address(address) in network), default=-1)

        return length

    narrowed("destination_port", lambda wanted: {None: 0, port: 1}.get(wanted, -1))
    narrowed("prefix_ranges", of(destination))
    narrowed("source_prefix_ranges", of(source))
    assert len(left) <= 1
    return left[0]["chain"] if left else None


def cluster(found: dict[str, Any] | None) -> str:
    assert found is not None
    return found["filters"][-1]["typed_config"]["cluster"]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("port", [8080, 2525])
def test_a_client_on_the_node_is_led_by_its_own_address_and_its_destination(family: int, port: int) -> None:
    outbound = listeners()["outbound"]
    a, b, far = (pod.ip(family) for pod in PODS)
    world = {4: "192.0.2.7", 6: "2001:db8::7"}[family]
    assert cluster(chain(outbound, a, far, port)) == "mesh shop/a"
    assert cluster(chain(outbound, b, far, port)) == "mesh shop/b"
    assert cluster(chain(outbound, a, b, port)) == "plain"
    assert cluster(chain(outbound, b, world, port)) == "plain"
    assert chain(outbound, world, b, port) is None
    assert chain(outbound, "127.0.0.1", "127.0.0.1", port) is None


@pytest.mark.parametrize("port", [8080, 2525])
def test_what_comes_from_other_nodes_must_be_mutual_tls_for_the_pod_that_was_meant(port: int) -> None:
    inbound = listeners()["inbound"]
    for pod in PODS[:2]:
        found = chain(inbound, PODS[2].ip(4), pod.ip(4), port)
        assert found is not None
        context = found["transport_socket"]["typed_config"]
        assert context["require_client_certificate"] is True
        certificate = context["common_tls_context"]["tls_certificates"][0]["certificate_chain"]
        assert certificate == {"filename": str(FOLDER / pod.name)}
    assert chain(inbound, PODS[0].ip(4), PODS[2].ip(4), port) is None
    assert all("transport_socket" in each for each in inbound["filter_chains"])
    assert "default_filter_chain" not in inbound


@pytest.mark.parametrize(("destination", "judged"), [("b", 2), ("far", 1), ("world", 1)])
def test_each_end_that_is_on_the_node_is_judged_there(destination: str, judged: int) -> None:
    addresses = {pod.name: pod.ip(4) for pod in PODS} | {"world": "192.0.2.7"}
    for port in (8080, 2525):
        found = chain(listeners(ISOLATED)["outbound"], addresses["a"], addresses[destination], port)
        assert found is not None
        assert [each["name"] for each in found["filters"]] == ["envoy.filters.network.rbac"] * judged + [
            "envoy.filters.network.tcp_proxy"
        ]
        arriving = chain(listeners(ISOLATED)["inbound"], addresses["far"], addresses["a"], port)
        assert arriving is not None
        assert len(arriving["filters"]) == 2


def test_pods_share_a_chain_only_where_the_same_judges_them() -> None:
    own = NetworkPolicy(AT, "p", "shop", LabelSelector({"app": "a"}), policy_types=("Egress",))
    outbound, (a, b, far) = listeners(own)["outbound"], (pod.ip(4) for pod in PODS)
    for source, destination, judged in (
        (a, b, 1),
        (b, a, 0),
        (a, far, 1),
        (b, far, 0),
        (a, "192.0.2.7", 1),
        (b, "192.0.2.7", 0),
    ):
        found = chain(outbound, source, destination)
        assert found is not None
        assert len(found["filters"]) == judged + 1
    shared = listeners()["outbound"]
    assert chain(shared, a, b) == chain(shared, b, a)


@pytest.mark.parametrize(("name", "at_once"), [("outbound", None), ("inbound", "ON_DOWNSTREAM_TLS_HANDSHAKE")])
def test_where_policy_judges_servers_are_connected_to_when_the_client_has_spoken_but_on_declared_ports(
    name: str, at_once: str | None
) -> None:
    for policies, port, wanted in (
        ((), 8080, at_once),
        ((ISOLATED,), 8080, "ON_DOWNSTREAM_DATA"),
        ((ISOLATED,), 2525, at_once),
    ):
        for destination in (PODS[1], PODS[2]) if name == "outbound" else PODS[1:2]:
            found = chain(listeners(*policies)[name], PODS[0].ip(4), destination.ip(4), port)
            assert found is not None
            assert found["filters"][-1]["typed_config"].get("upstream_connect_mode") == wanted


def test_every_cluster_that_is_named_is_there_and_every_field_is_one_of_its_type() -> None:
    clusters, found = described(view(ISOLATED), replace(DEFAULTS, exact_balance=True, buffer_bytes=1), FOLDER)
    names = {message(each).name for each in clusters}
    used = {cluster(each) for listener in found for each in listener["filter_chains"]}
    assert used == names
    assert [message(each).name for each in found] == ["outbound", "inbound"]


def test_a_node_without_pods_ends_every_connection() -> None:
    _, found = described(NodeView((), PODS[2].ips), DEFAULTS, FOLDER)
    for listener in found:
        assert message(listener).name == listener["name"]
        [only] = listener["filter_chains"]
        assert [each["typed_config"]["@type"].rpartition("network.")[2] for each in only["filters"]] == [
            "direct_response.v3.Config"
        ]


def test_addresses_of_other_nodes_are_told_as_the_prefixes_that_hold_just_them() -> None:
    many = replace(view(), remote=tuple(f"10.0.2.{number}" for number in range(8, 17)))
    _, (outbound, _) = described(many, DEFAULTS, FOLDER)
    prefixes = {json.dumps(each["filter_chain_match"].get("prefix_ranges")) for each in outbound["filter_chains"]}
    wanted = [{"address_prefix": "10.0.2.8", "prefix_len": 29}, {"address_prefix": "10.0.2.16", "prefix_len": 32}]
    assert json.dumps(wanted) in prefixes


def everything(tuning: L4Tuning) -> str:
    known = replace(view(), declared=declared_ports([Pod("c", "shop", "n1", ports=(ContainerPort("tcp", 2525),))], tuning))
    told = [*described(known, tuning, FOLDER), node_bootstrap("n1", FOLDER, FOLDER / "s", tuning)]
    return json.dumps([*told, process.command(FOLDER, tuning, 0)])


@pytest.mark.parametrize("setting", [field.name for field in fields(L4Tuning)])
def test_every_setting_reaches_envoy(setting: str) -> None:
    assert everything(replace(DEFAULTS, **{setting: OTHERS[setting]})) != everything(DEFAULTS)


def test_settings_are_read_as_the_sidecars_are() -> None:
    assert parse("defaults") is DEFAULTS
    assert parse("concurrency=1,trust_port_names=false") == L4Tuning(concurrency=1, trust_port_names=False)
    with pytest.raises(
        ValueError, match=r"'retries=1' is no setting; there are defaults, concurrency=N, .*, trust_port_names=true"
    ):
        parse("retries=1")
    assert find("node-l4@concurrency=1").name == "node-l4@concurrency=1"


def test_all_tcp_of_pods_and_for_pods_is_envoys_or_stopped() -> None:
    rules = ruleset(["w0", "w1"])
    assert 'iifname { "w0", "w1" } goto from_wire' in rules
    for port in (15001, 15006):
        assert f"tproxy ip to 127.0.0.1:{port} meta mark set {MARK} accept" in rules
        assert f"tproxy ip6 to [::1]:{port} meta mark set {MARK} accept" in rules
    chains = rules.split("chain ")[2:]
    assert len(chains) == 2
    assert all(chain.rstrip(" }\n").endswith("reject with tcp reset") for chain in chains)
    assert MARK != ACCEPTED_MARK, "what Envoy sends is not handed to Envoy"


def test_a_node_alone_has_no_wires_to_ask_about() -> None:
    assert "from_wire" not in ruleset([]).split("chain from_pod")[0]


def test_pods_are_known_by_address_and_interface() -> None:
    named = members([("10.0.0.1", "p1"), ("fd00::1", "p1")])
    assert 'add element inet node_l4 own4 { 10.0.0.1 . "p1" }' in named
    assert "add element inet node_l4 pods6 { fd00::1 }" in named
    assert named.splitlines()[:4] == [f"flush set inet node_l4 {each}" for each in ("own4", "own6", "pods4", "pods6")]


def test_marked_packets_are_routed_to_the_node_in_both_families() -> None:
    for family in (4, 6):
        assert f"ip -{family} rule add fwmark {MARK} lookup" in attach_script()
        assert f"ip -{family} rule del fwmark {MARK} lookup" in detach_script()


def test_a_flow_is_asked_about_in_the_set_of_its_family() -> None:
    assert question("stray", "fd00::1", "fd00::2", 80)[-2:] == ["stray6", "{ fd00::1 . fd00::2 . 80 }"]
    assert question("spoofed", "10.0.0.1", "10.0.0.2", 80)[-2] == "spoofed4"
