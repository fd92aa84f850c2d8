"""Topologies are read whole, and refused where their parts do not fit."""

from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.topology import load_topology
from harness.model.topology import ContainerPort, Namespace, Pod, Topology


def written(folder: Path, text: str) -> Path:
    file = folder / "pair.yaml"
    file.write_text(text)
    return file


def refusal(folder: Path, text: str) -> list[str]:
    file = written(folder, text)
    with pytest.raises(ManifestError) as refused:
        load_topology(file)
    return [str(fault).removeprefix(f"{file}:") for fault in refused.value.faults]


def test_every_field_reaches_the_model(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """\
nodes: [n1, n2]
namespaces: {shop: {labels: {team: web}}, evil: {}}
pods:
  - {name: a, namespace: shop, node: n2, labels: {app: a}, annotations: {example.com/x: "any thing"},
     ports: [{name: http, port: 8080}, {port: 53, protocol: UDP}], ips: [10.0.0.1, "fd00:0::1"]}
  - {name: b, namespace: evil}
""",
    )
    assert load_topology(file) == Topology(
        name="pair",
        nodes=("n1", "n2"),
        namespaces=(Namespace("shop", {"team": "web"}), Namespace("evil")),
        pods=(
            Pod("a", "shop", "n2", {"app": "a"}, {"example.com/x": "any thing"},
                (ContainerPort("http", 8080), ContainerPort("", 53, "UDP")), ("10.0.0.1", "fd00::1")),
            Pod("b", "evil", "n1"),
        ),
    )  # fmt: skip


def test_a_topology_without_nodes_has_one(tmp_path: Path) -> None:
    topology = load_topology(written(tmp_path, "namespaces: {a: {}}\npods: [{name: p, namespace: a}]\n"))
    assert topology.nodes == (topology.pod("a/p").node,)


HEAD = "nodes: [n1]\nnamespaces: {shop: {}}\n"
REFUSED = {
    HEAD + "pods: [{name: a, namespace: shpo}]": '3: pods[0].namespace: no namespace "shpo" (did you mean "shop"?)',
    HEAD + "pods: [{name: a, namespace: shop, node: n2}]": '3: pods[0].node: no node "n2" (known here: n1)',
    HEAD + "pods:\n- {name: a, namespace: shop}\n- {name: a, namespace: shop}":
        '5: pods[1].name: pod "shop/a" is listed twice; rename one',
    HEAD + "pods:\n- {name: a, namespace: shop, ips: [10.0.0.1]}\n- {name: b, namespace: shop, ips: [10.0.0.1]}":
        "5: pods[1].ips[0]: 10.0.0.1 is the address of shop/a already",
    HEAD + "pods: [{name: a, namespace: shop, ips: [10.0.0.1, 10.0.0.2]}]":
        "3: pods[0].ips[1]: two addresses of one family; a pod has one IPv4 and one IPv6 address at most",
    HEAD + "pods: [{name: a, namespace: shop, ips: [10.0.0.300]}]":
        '3: pods[0].ips[0]: want an IPv4 or IPv6 address, found "10.0.0.300"',
    HEAD + "pods: [{name: a, namespace: shop, port: 80}]": '3: pods[0]: unknown field "port" (did you mean "ports"?)',
    HEAD + "pods: [{name: a, namespace: shop, ports: [{name: h, port: 1}, {name: h, port: 2}]}]":
        '3: pods[0].ports[1].name: port name "h" is used twice; rename one',
    HEAD + "pods: [{name: a, namespace: shop, ports: [{port: 80, protocol: SCTP}]}]":
        "3: pods[0].ports[0].protocol: SCTP is not supported: no data plane here carries it; use TCP or UDP",
    HEAD + "pods: []": "3: pods: empty; write at least one",
    "nodes: [n1, n1]\nnamespaces: {a: {}}\npods: [{name: p, namespace: a}]":
        '1: nodes[1]: node "n1" is listed twice; remove one',
    "namespaces: {a: {labels: {kubernetes.io/metadata.name: b}}}\npods: [{name: p, namespace: a}]":
        '1: namespaces.a.labels["kubernetes.io/metadata.name"]: want "a", as an API server sets it, or leave it out',
    "pods: [{name: p, namespace: a}]": "1: namespaces: missing; write it",
    "- a": "1: want a mapping, found a list",
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=REFUSED.values())
def test_a_topology_whose_parts_do_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text) == [message]
