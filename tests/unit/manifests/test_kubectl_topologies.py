"""What kubectl prints of a running cluster is a topology, without editing."""

from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.topology import load_topology
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

CLUSTER = """\
apiVersion: v1
items:
- apiVersion: v1
  kind: Namespace
  metadata:
    creationTimestamp: "2026-01-01T00:00:00Z"
    labels: {kubernetes.io/metadata.name: shop, team: web}
    name: shop
    resourceVersion: "35"
  spec: {finalizers: [kubernetes]}
  status: {phase: Active}
- apiVersion: v1
  kind: Pod
  metadata:
    annotations: {example.com/x: "any thing"}
    labels: {app: web}
    name: web-0
    namespace: shop
    ownerReferences: [{kind: StatefulSet, name: web}]
  spec:
    containers:
    - name: web
      image: web:1
      ports:
      - {containerPort: 8080, name: http, protocol: TCP}
      - {containerPort: 9, protocol: SCTP}
    - name: beside
      ports: [{containerPort: 8081, name: http}, {containerPort: 53, name: http, protocol: UDP}, {containerPort: 1}]
    initContainers:
    - {name: once, ports: [{containerPort: 5, name: once}]}
    - {name: always, restartPolicy: Always, ports: [{containerPort: 6, name: always}]}
    nodeName: node-a.example.com
    tolerations: [{operator: Exists}]
  status:
    hostIP: 192.168.0.1
    phase: Running
    podIP: 10.0.0.4
    podIPs: [{ip: 10.0.0.4}, {ip: "fd00:0::4"}]
- apiVersion: v1
  kind: Pod
  metadata: {name: db, namespace: shop}
  spec: {containers: [{name: db}], nodeName: node-b}
  status: {phase: Running, podIP: 10.0.0.5}
- kind: Pod
  metadata: {name: proxy, namespace: shop}
  spec: {hostNetwork: true, nodeName: node-b}
  status: {phase: Running, podIP: 192.168.0.1}
- kind: Pod
  metadata: {name: done, namespace: shop}
  spec: {nodeName: node-b}
  status: {phase: Succeeded, podIP: 10.0.0.5}
- kind: Pod
  metadata: {name: failed, namespace: shop}
  spec: {nodeName: node-b}
  status: {phase: Failed, podIP: 10.0.0.5}
- kind: Pod
  metadata: {name: pending, namespace: shop}
  spec: {}
  status: {phase: Pending}
kind: List
metadata: {resourceVersion: ""}
"""


def refusal(folder: Path, text: str) -> list[str]:
    file = folder / "c.yaml"
    file.write_text(text)
    with pytest.raises(ManifestError) as refused:
        load_topology(file)
    return [str(fault).removeprefix(f"{file}:") for fault in refused.value.faults]


def test_pods_with_an_address_of_their_own_are_taken_and_all_else_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text(CLUSTER)
    assert load_topology(file) == Topology(
        "prod",
        ("node-a.example.com", "node-b"),
        (Namespace("shop", {"kubernetes.io/metadata.name": "shop", "team": "web"}),),
        (
            Pod(
                "web-0",
                "shop",
                "node-a.example.com",
                {"app": "web"},
                {"example.com/x": "any thing"},
                (
                    ContainerPort("http", 8080),
                    ContainerPort("http", 53, "UDP"),
                    ContainerPort("", 1),
                    ContainerPort("always", 6),
                ),
                ("10.0.0.4", "fd00::4"),
            ),
            Pod("db", "shop", "node-b", ips=("10.0.0.5",)),
        ),
    )


USE = "use kubectl get namespaces,pods -A -o yaml"
CHANGED = {
    ("kind: List", "kind: PodList"):
        f'60: kind: want a List of v1 with namespaces and pods, found the string "PodList"; {USE}',
    ("  kind: Namespace", "  kind: Node"): f'4: items[0].kind: want a Namespace or a Pod, found the string "Node"; {USE}',
    ("name: db, namespace: shop", "name: db, namespace: data"):
        f'41: items[2].metadata.namespace: no namespace "data" in the list (known here: shop); {USE}',
    ("name: db,", "name: web-0,"): '41: items[2].metadata.name: pod "shop/web-0" is listed twice; remove one',
    ("podIP: 10.0.0.5}\n- kind: Pod\n  metadata: {name: proxy", "podIP: 10.0.0.4}\n- kind: Pod\n  metadata: {name: proxy"):
        "43: items[2].status: 10.0.0.4 is the address of shop/web-0 already",
    ("fd00:0::4", "10.0.0.6"):
        "38: items[1].status.podIPs: two addresses of one family; want one IPv4 and one IPv6 at most",
    ("podIP: 10.0.0.5}", "podIP: pod}"): '43: items[2].status.podIP: want an IPv4 or IPv6 address, found "pod"',
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), CHANGED.items(), ids=CHANGED.values())
def test_a_list_that_is_not_of_one_cluster_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in CLUSTER
    assert message in refusal(tmp_path, CLUSTER.replace(*change, 1))


def test_lists_without_pods_or_items_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "apiVersion: v1\nkind: List\nitems: []\n") == [
        f"3: items: no pod with an address of its own; {USE}"
    ]
    assert refusal(tmp_path, "apiVersion: v1\nkind: List\n") == ["1: items: want a list, found nothing"]
    assert refusal(tmp_path, "apiVersion: v1\nkind: List\nitems: [1]\n") == [
        f"3: items[0].kind: want a Namespace or a Pod, found the number 1; {USE}"
    ]
