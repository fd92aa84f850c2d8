"""Files and folders of users' own: what is loaded, what is counted, what is refused."""

import os
import threading
from collections import Counter
from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.objects import load_manifests, load_policies

POLICY = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}}}\nspec: {{podSelector: {{}}}}\n"
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {anything: goes}\n"
INGRESS = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n"


def refusal(*paths: Path) -> list[str]:
    with pytest.raises(ManifestError) as refused:
        load_policies(paths)
    return [str(fault).replace(f"{paths[0]}", "PATH") for fault in refused.value.faults]


def test_a_users_folder_is_read_whole_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.yml").write_text(POLICY.format(name="third"))
    (tmp_path / "a.yaml").write_text(POLICY.format(name="first") + "---\n" + DEPLOYMENT + "---\n# nothing\n---\n" + INGRESS)
    (tmp_path / "b.json").write_text(
        '{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList",'
        ' "items": [{"metadata": {"name": "second"}, "spec": {}}]}'
    )
    (tmp_path / "notes.txt").write_text(": no manifest")
    loaded = load_policies([tmp_path])
    assert [policy.name for policy in loaded.policies] == ["first", "second", "third"]
    assert loaded.not_judged == Counter({"Deployment": 1, "Ingress": 1})
    assert loaded.policies[2].origin.file == str(tmp_path / "deeper" / "c.yml")


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("cilium.io/v2alpha1", "CiliumNetworkPolicy"),
        ("cilium.io/v2", "CiliumEgressGatewayPolicy"),
        ("cilium.io/v2", "CiliumFuturePolicy"),
        ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
        ("networking.k8s.io/v1", "FuturePolicy"),
        ("networking.k8s.io/v1beta1", "NetworkPolicy"),
        ("extensions/v1beta1", "NetworkPolicy"),
        ("projectcalico.org/v3", "GlobalNetworkPolicy"),
        ("security.istio.io/v1", "AuthorizationPolicy"),
        ("v1", "NetworkPolicy"),
        ("example.com/v1", "NetworkPolicyList"),
        ("v1", "networkpolicy"),
        ("cilium.io", "CiliumFuturePolicy"),
        ("Cilium.io/v2", "CiliumNetworkPolicy"),
        ("networking.k8s.io/v1/x", "FuturePolicy"),
    ],
)
def test_a_kind_that_decides_but_is_not_supported_is_refused_by_name(tmp_path: Path, version: str, kind: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(f"metadata: {{name: p}}\napiVersion: {version}\nkind: {kind}\n")
    assert refusal(file) == [
        f"PATH:3: kind: {kind} of {version} is not supported; "
        "write it as a NetworkPolicy of networking.k8s.io/v1 or CiliumNetworkPolicy of cilium.io/v2, or leave it out"
    ]


ROUTES = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: mesh}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {parentRefs: [{group: "", kind: Service, name: web}]}
"""


def test_what_routes_is_read_beside_policies_and_a_class_of_gateways_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ROUTES + "---\n" + POLICY.format(name="first"))
    loaded = load_manifests([tmp_path], services=True)
    assert [each.name for each in loaded.policies] == ["first"]
    assert [each.ref for each in loaded.routing.services] == ["default/web"]
    assert [each.name for each in loaded.routing.http_routes] == ["web"]
    assert loaded.not_judged == Counter({"GatewayClass": 1})


def test_services_are_not_looked_at_where_pods_are_asked_about(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {anything: goes}\n")
    assert load_manifests([tmp_path]).not_judged == load_policies([tmp_path]).not_judged == Counter({"Service": 1})
    with pytest.raises(ManifestError):
        load_manifests([tmp_path], services=True)


def test_data_planes_have_no_routes_yet_so_they_are_refused_there_and_services_counted(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(ROUTES)
    assert refusal(file) == [
        'PATH:11: kind: HTTPRoute "default/web" is in force only where requests to Services or Gateways are asked; drop it',
    ]
    file.write_text(ROUTES[: ROUTES.index("---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute")])
    assert load_policies([file]).not_judged == Counter({"Service": 1, "GatewayClass": 1})


def test_an_unsupported_kind_inside_a_list_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("apiVersion: v1\nkind: List\nitems:\n  - apiVersion: cilium.io/v3\n    kind: CiliumNetworkPolicy\n")
    (message,) = refusal(file)
    assert message.startswith("PATH:5: items[0].kind: CiliumNetworkPolicy of cilium.io/v3 is not supported")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("- a\n", ["PATH:1: want a Kubernetes object (a mapping), found a list"]),
        ("kind: Pod\n", ["PATH:1: apiVersion: missing; a Kubernetes object names it"]),
        ("apiVersion: v1\n", ["PATH:1: kind: missing; a Kubernetes object names it"]),
        ("apiVersion: 1\nkind: [Pod]\n", [
            "PATH:1: apiVersion: want a name, found the number 1", "PATH:2: kind: want a name, found a list"]),
        ("apiVersion: v1\nkind: List\n", ["PATH:1: items: want a list, found nothing"]),
        ("apiVersion: v1\nkind: List\nitems: [null]\n", [
            "PATH:3: items[0]: want a Kubernetes object (a mapping), found nothing"]),
        ("apiVersion: v1\nkind: List\nitem: [{}]\nitems: []\n", [
            'PATH:3: unknown field "item" (did you mean "items"?)']),
        ('apiVersion: cilium.io/v2\nkind: "A\\nB"\n', ['PATH:2: kind: want a name, found the string "A\\nB"']),
        ("", ["PATH:1: the file is empty; write or name a manifest"]),
    ],
)  # fmt: skip
def test_what_is_no_kubernetes_object_is_refused(tmp_path: Path, text: str, messages: list[str]) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    assert refusal(file) == messages


def test_missing_paths_and_folders_without_manifests_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == ["PATH:1: no such file or folder; check the path"]
    (tmp_path / "comments.yaml").write_text("# nothing\n")
    assert refusal(tmp_path) == ["PATH:1: no Kubernetes object in this folder; write or name a manifest"]


def test_what_cannot_be_read_in_a_folder_is_refused_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text(POLICY.format(name="first"))
    (tmp_path / "b.yaml").symlink_to("nowhere")
    os.mkfifo(tmp_path / "c.yaml")
    (tmp_path / "closed").mkdir()
    listed = os.scandir

    def refusing(folder: str) -> object:
        if Path(folder).name == "closed":  # to root every folder is open
            raise PermissionError(13, "Permission denied", folder)
        return listed(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    assert refusal(tmp_path) == [
        "PATH/b.yaml:1: no such file; check the path",
        "PATH/c.yaml:1: a pipe that nobody writes to; write to it, or name a file",
        "PATH/closed:1: cannot be read: Permission denied",
    ]


def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / ("x" * 300)) == ["PATH:1: cannot be read: File name too long"]


def test_a_pipe_with_a_writer_is_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    written = POLICY.format(name="first").encode()
    slow = threading.Timer(0.2, lambda: (os.write(writing, written), os.close(writing)))
    slow.start()
    assert [policy.name for policy in load_policies([Path(f"/proc/self/fd/{reading}")]).policies] == ["first"]
    slow.join()
    os.close(reading)


def test_one_policy_written_twice_is_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(POLICY.format(name="p"))
    second.write_text(POLICY.format(name="p"))
    assert refusal(second, first) == [
        f'{first}:2: NetworkPolicy "default/p" is written already at PATH:2; rename or remove one'
    ]


def test_the_faults_of_all_files_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Pod\n")
    (tmp_path / "b.yaml").write_text("a: b: c\n")
    with pytest.raises(ManifestError) as refused:
        load_policies([tmp_path, tmp_path / "none"])
    assert [Path(fault.origin.file).name for fault in refused.value.faults] == ["a.yaml", "b.yaml", "none"]
