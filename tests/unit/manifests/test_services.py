"""Services are read as written, and refused where an API server refuses them."""

from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.objects import load_manifests
from harness.model.origin import Origin
from harness.model.service import Service, ServicePort

HEAD = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"


def load(folder: Path, text: str) -> tuple[Service, ...]:
    (folder / "s.yaml").write_text(text)
    return load_manifests([folder / "s.yaml"], services=True).routing.services


def refusal(folder: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as refused:
        load(folder, text)
    return [str(fault).removeprefix(f"{folder / 's.yaml'}:") for fault in refused.value.faults]


def test_every_field_that_matters_reaches_the_model_with_its_line(tmp_path: Path) -> None:
    (service,) = load(
        tmp_path,
        """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {a: b}}
spec:
  type: ClusterIP
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, "fd00::1"]
  selector: {app: web}
  sessionAffinity: None
  ipFamilyPolicy: PreferDualStack
  ports:
    - {name: http, port: 80, targetPort: web, protocol: TCP, appProtocol: http, nodePort: 30080}
    - {name: dns, port: 53, targetPort: 5353, protocol: UDP}
    - {name: assoc, port: 9, protocol: SCTP}
status: {loadBalancer: {}}
""",
    )

    def at(line: int) -> Origin:
        return Origin(str(tmp_path / "s.yaml"), line)

    assert service == Service(
        at(2),
        "web",
        "shop",
        ports=(
            ServicePort(at(12), 80, "http", "web", "TCP", "http"),
            ServicePort(at(13), 53, "dns", 5353, "UDP"),
            ServicePort(at(14), 9, "assoc", None, "SCTP"),
        ),
        selector={"app": "web"},
        cluster_ip="10.96.0.1",
        cluster_ips=("10.96.0.1", "fd00::1"),
        type="ClusterIP",
    )
    assert service.ref == "shop/web"


@pytest.mark.parametrize(
    "spec",
    [
        "{ports: [{port: 80}]}",
        "{clusterIP: None, selector: {a: b}}",
        "{type: ExternalName, externalName: db.example.com}",
        "{type: LoadBalancer, ports: [{port: 80}, {port: 80, protocol: UDP, name: u}]}",
        "{ports: [{port: 80}], trafficDistribution: PreferClose, internalTrafficPolicy: Local, externalIPs: [192.0.2.1]}",
    ],
)
def test_services_that_a_server_takes_are_taken(tmp_path: Path, spec: str) -> None:
    if "name: u" in spec:
        spec = spec.replace("{port: 80}", "{port: 80, name: t}")
    (service,) = load(tmp_path, f"{HEAD}spec: {spec}\n")
    assert (service.name, service.namespace) == ("web", "default")


def test_lists_hold_services(tmp_path: Path) -> None:
    text = (
        '{"apiVersion": "v1", "kind": "ServiceList", "items": [{"metadata": {"name": "a"}, "spec": {"ports": [{"port": 1}]}}]}'
    )
    assert [each.ref for each in load(tmp_path, text)] == ["default/a"]


REFUSED = {
    "{}": "4: spec.ports: missing or empty; write at least one",
    "{ports: []}": "4: spec.ports: missing or empty; write at least one",
    "{ports: [{port: 0}]}": "4: spec.ports[0].port: want at least 1, found the number 0",
    '{ports: [{port: "80"}]}': '4: spec.ports[0].port: want an integer, found the string "80"',
    "{ports: [{port: 80}], selecter: {}}": '4: spec: unknown field "selecter" (did you mean "selector"?)',
    "{ports: [{port: 80}, {port: 81}]}": "4: spec.ports[0].name: missing; a Service with several ports names each",
    "{ports: [{port: 80, name: a}, {port: 81, name: a}]}":
        '4: spec.ports[1].name: port name "a" is used twice; rename one',
    "{ports: [{port: 80, name: a}, {port: 80, name: b}]}":
        "4: spec.ports[1].port: port 80 of this protocol is written already; remove one",
    "{ports: [{port: 80, protocol: tcp}]}":
        '4: spec.ports[0].protocol: want TCP, UDP or SCTP, found the string "tcp" (did you mean "TCP"?)',
    "{ports: [{port: 80, targetPort: A}]}":
        "4: spec.ports[0].targetPort: want a port name (a-z, 0-9, single '-' inside, a letter; at most 15 characters), "
        'found "A"',
    "{ports: [{port: 80}], clusterIP: 10.0.0}": '4: spec.clusterIP: want an IPv4 or IPv6 address, found "10.0.0"',
    "{type: ExternalName}": "4: spec.externalName: missing; a Service of type ExternalName needs it",
    "{type: ExternalName, externalName: a.b, clusterIP: 10.0.0.1}":
        "4: spec.clusterIP: a Service of type ExternalName has no address; remove it",
    "{type: NodePort, clusterIP: None, ports: [{port: 80}]}":
        "4: spec.clusterIP: a Service of type NodePort needs an address; remove it",
    "{type: Cluster, ports: [{port: 80}]}":
        "4: spec.type: want ClusterIP, NodePort, LoadBalancer or ExternalName, found the string \"Cluster\""
        ' (did you mean "ClusterIP"?)',
}  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), REFUSED.items(), ids=REFUSED.values())
def test_what_a_server_refuses_is_refused_by_its_line(tmp_path: Path, spec: str, message: str) -> None:
    assert refusal(tmp_path, f"{HEAD}spec: {spec}\n") == [message]


def test_a_service_written_twice_and_one_with_a_bad_name_are_refused(tmp_path: Path) -> None:
    text = f"{HEAD}spec: {{ports: [{{port: 80}}]}}\n"
    (twice,) = refusal(tmp_path, f"{text}---\n{text}")
    assert twice.startswith('7: Service "default/web" is written already at ')
    (name,) = refusal(tmp_path, text.replace("name: web", "name: web.shop"))
    assert name.startswith("3: metadata.name: want a DNS label")
