"""NetworkPolicies are read as written, and refused as an API server refuses them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.manifests.errors import ManifestError
from harness.manifests.objects import load_policies
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Requirement, Rule

POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: p}}
spec:
  podSelector: {{}}
  ingress:
    - from: {peers}
      ports: {ports}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "p.yaml"
    file.write_text(text)
    return file


def load(folder: Path, text: str) -> NetworkPolicy:
    (policy,) = load_policies([written(folder, text)]).policies
    return policy


def refusal(folder: Path, text: str) -> list[str]:
    file = written(folder, text)
    with pytest.raises(ManifestError) as refused:
        load_policies([file])
    return [str(fault).removeprefix(f"{file}:") for fault in refused.value.faults]


def test_every_field_reaches_the_model_with_its_line(tmp_path: Path) -> None:
    policy = load(
        tmp_path,
        """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web.v1
  namespace: shop
spec:
  podSelector:
    matchLabels: {app.kubernetes.io/name: web}
    matchExpressions:
      - {key: tier, operator: NotIn, values: [db, ""]}
      - {key: legacy, operator: DoesNotExist}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - podSelector: {}
          namespaceSelector: {matchLabels: {team: web}}
        - ipBlock: {cidr: "fd00::/8", except: ["fd00::/64"]}
      ports:
        - {protocol: UDP, port: 1000, endPort: 2000}
        - port: http
    - {}
  egress: []
""",
    )
    file = str(tmp_path / "p.yaml")
    assert policy == NetworkPolicy(
        origin=Origin(file, 2),
        name="web.v1",
        namespace="shop",
        pod_selector=LabelSelector(
            {"app.kubernetes.io/name": "web"}, (Requirement("tier", "NotIn", ("db", "")), Requirement("legacy", "DoesNotExist"))
        ),
        policy_types=("Ingress", "Egress"),
        ingress=(
            Rule(
                Origin(file, 14),
                peers=(
                    Peer(Origin(file, 15), LabelSelector(), LabelSelector({"team": "web"})),
                    Peer(Origin(file, 17), ip_block=IPBlock("fd00::/8", ("fd00::/64",))),
                ),
                ports=(PolicyPort(Origin(file, 19), "UDP", 1000, 2000), PolicyPort(Origin(file, 20), port="http")),
            ),
            Rule(Origin(file, 21)),
        ),
        egress=(),
    )


def test_what_is_not_written_or_null_is_none_and_the_namespace_is_kubectls(tmp_path: Path) -> None:
    policy = load(
        tmp_path,
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}, egress: null}\n",
    )
    assert policy.namespace == "default"
    assert (policy.policy_types, policy.ingress, policy.egress) == (None, None, None)


def test_an_absent_pod_selector_is_the_empty_one(tmp_path: Path) -> None:
    policy = load(tmp_path, "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {ingress: []}\n")
    assert policy.pod_selector == LabelSelector()


def test_what_kubectl_get_adds_is_accepted(tmp_path: Path) -> None:
    policy = load(
        tmp_path,
        """\
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
  - apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata:
      name: p
      namespace: shop
      annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}
      creationTimestamp: 2026-01-31T10:00:00Z
      generation: 1
      resourceVersion: "12"
      uid: 0c5a
      managedFields: [{manager: kubectl}]
    spec: {podSelector: {}}
    status: {}
""",
    )
    assert (policy.name, policy.origin.line) == ("p", 6)


CIDR = "want a CIDR such as 10.0.0.0/8 or fd00::/8"
PEERS = {
    "[{}]": "[0]: an empty peer; write podSelector, namespaceSelector or ipBlock",
    "[null]": "[0]: want a mapping, found nothing",
    "{}": ": want a list, found a mapping",
    "[{podselector: {}}]": '[0]: unknown field "podselector" (did you mean "podSelector"?)',
    "[{who: {}}]": '[0]: unknown field "who" (known here: ipBlock, namespaceSelector, podSelector)',
    "[{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]": "[0]: ipBlock beside a selector; write them as two entries",
    "[{ipBlock: {}}]": "[0].ipBlock.cidr: missing; write it",
    "[{ipBlock: {cidr: 10.0.0.1/8}}]": '[0].ipBlock.cidr: host bits are set in "10.0.0.1/8"; write 10.0.0.0/8',
    "[{ipBlock: {cidr: 10.0.0.0}}]": f'[0].ipBlock.cidr: {CIDR}, found "10.0.0.0"',
    "[{ipBlock: {cidr: 10.0.0.0/255.0.0.0}}]": f'[0].ipBlock.cidr: {CIDR}, found "10.0.0.0/255.0.0.0"',
    "[{ipBlock: {cidr: 10.0.0.0/33}}]": f'[0].ipBlock.cidr: {CIDR}, found "10.0.0.0/33"',
    "[{ipBlock: {cidr: 010.0.0.0/8}}]": f'[0].ipBlock.cidr: {CIDR}, found "010.0.0.0/8"',
    "[{ipBlock: {cidr: 10.0.0.0/08}}]": f'[0].ipBlock.cidr: {CIDR}, found "10.0.0.0/08"',
    '[{ipBlock: {cidr: "::ffff:10.0.0.0/104"}}]':
        '[0].ipBlock.cidr: IPv4 written as IPv6 in "::ffff:10.0.0.0/104"; write it as IPv4',
    "[{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]":
        "[0].ipBlock.except[0]: 11.0.0.0/16 is not inside 10.0.0.0/8; remove it or widen the cidr",
    "[{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]":
        "[0].ipBlock.except[0]: 10.0.0.0/8 is not inside 10.0.0.0/8; remove it or widen the cidr",
    '[{ipBlock: {cidr: 10.0.0.0/8, except: ["fd00::/64"]}}]':
        "[0].ipBlock.except[0]: fd00::/64 is not inside 10.0.0.0/8; remove it or widen the cidr",
    "[{podSelector: {matchLabels: {app: 1}}}]":
        "[0].podSelector.matchLabels.app: want a string, found the number 1; quote it",
    "[{podSelector: {matchLabels: {app: yes}}}]":
        "[0].podSelector.matchLabels.app: want a string, found the boolean true; quote it",
    "[{podSelector: {matchLabels: {app: a b}}}]":
        "[0].podSelector.matchLabels.app: want a label value (letters, digits, '-_.' between; at most 63), found \"a b\"",
    "[{podSelector: {matchLabels: {X_/a: b}}}]":
        "[0].podSelector.matchLabels[\"X_/a\"]: want a label key (letters, digits, '-_.' between; at most 63; "
        "before a '/', a DNS name), found \"X_/a\"",
    "[{podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}]":
        '[0].podSelector.matchExpressions[0].operator: '
        'want In, NotIn, Exists or DoesNotExist, found the string "in" (did you mean "In"?)',
    "[{podSelector: {matchExpressions: [{key: a, operator: In}]}}]":
        "[0].podSelector.matchExpressions[0].values: missing or empty; operator In needs at least one value",
    "[{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]":
        "[0].podSelector.matchExpressions[0].values: operator Exists takes no values; remove them",
}  # fmt: skip


@pytest.mark.parametrize(("peers", "message"), PEERS.items())
def test_a_peer_that_a_server_would_refuse_is_refused(tmp_path: Path, peers: str, message: str) -> None:
    assert refusal(tmp_path, POLICY.format(peers=peers, ports="[]")) == [f"7: spec.ingress[0].from{message}"]


PORTS = {
    "[{protocol: SCTP}]": "[0].protocol: SCTP is not supported: no data plane here carries it; use TCP or UDP",
    "[{protocol: tcp}]": '[0].protocol: want TCP or UDP, found "tcp"',
    "[{port: 0}]": "[0].port: want a port from 1 to 65535, found the number 0",
    "[{port: 65536}]": "[0].port: want a port from 1 to 65535, found the number 65536",
    "[{port: 80.0}]": "[0].port: want a port number or a container port's name, found the number 80.0",
    "[{port: true}]": "[0].port: want a port number or a container port's name, found the boolean true",
    f"[{{port: {'9' * 5000}}}]": "[0].port: want a port number or a container port's name, found the number inf",
    f"[{{port: {'9' * 300}}}]":
        f"[0].port: want a port from 1 to 65535, found the number {hex(int('9' * 300))[:60]}…",
    '[{port: "80"}]':
        "[0].port: want a port name (a-z, 0-9, single '-' inside, a letter; at most 15 characters), found \"80\"",
    "[{port: a--b}]":
        "[0].port: want a port name (a-z, 0-9, single '-' inside, a letter; at most 15 characters), found \"a--b\"",
    "[{port: 80, endPort: 79}]": "[0].endPort: 79 is below port 80; write the last port of the range",
    "[{port: http, endPort: 90}]":
        "[0].endPort: needs a numeric port beside it; write the first port of the range as port",
    "[{endPort: 90}]": "[0].endPort: needs a numeric port beside it; write the first port of the range as port",
    "[{port: 80, endPort: 70000}]": "[0].endPort: want at most 65535, found the number 70000",
    "[{ports: 80}]": '[0]: unknown field "ports" (did you mean "port"?)',
}  # fmt: skip


@pytest.mark.parametrize(("ports", "message"), PORTS.items(), ids=[text[:40] for text in PORTS])
def test_a_port_that_a_server_would_refuse_is_refused(tmp_path: Path, ports: str, message: str) -> None:
    assert refusal(tmp_path, POLICY.format(peers="[]", ports=ports)) == [f"8: spec.ingress[0].ports{message}"]


OBJECTS = {
    "": ["1: spec: missing; write it"],
    "spec: {policyTypes: [ingress]}": [
        '4: spec.policyTypes[0]: want Ingress or Egress, found the string "ingress" (did you mean "Ingress"?)'
    ],
    "spec: {policyTypes: [Ingress, Egress, Egress]}": ["4: spec.policyTypes: want at most 2, found 3"],
    "spec: {ingres: []}": ['4: spec: unknown field "ingres" (did you mean "ingress"?)'],
    "spec: {egress: [{from: []}]}": ['4: spec.egress[0]: unknown field "from" (known here: ports, to)'],
    "spec: {}\nspecs: {}": ['5: unknown field "specs" (did you mean "spec"?)'],
    "spec: all": ['4: spec: want a mapping, found the string "all"'],
}


@pytest.mark.parametrize(("body", "messages"), OBJECTS.items())
def test_an_object_of_a_wrong_shape_is_refused(tmp_path: Path, body: str, messages: list[str]) -> None:
    head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n"
    assert refusal(tmp_path, f"{head}{body}\n") == messages


METADATA = {
    "{}": "3: metadata.name: missing; write it",
    "{name: A_b}":
        "3: metadata.name: want a DNS name (a-z, 0-9, '-' and '.' inside; at most 253 characters), found \"A_b\"",
    "{name: 7}": "3: metadata.name: want a string, found the number 7; quote it",
    "{name: p, namespace: a.b}":
        "3: metadata.namespace: want a DNS label (a-z, 0-9, '-' inside; at most 63 characters), found \"a.b\"",
    f"{{name: {'p' * 254}}}":
        f"3: metadata.name: want a DNS name (a-z, 0-9, '-' and '.' inside; at most 253 characters), found \"{'p' * 60}…\"",
    "{name: p, lables: {}}": '3: metadata: unknown field "lables" (did you mean "labels"?)',
}  # fmt: skip


@pytest.mark.parametrize(("metadata", "message"), METADATA.items(), ids=[text[:40] for text in METADATA])
def test_names_and_metadata_are_checked(tmp_path: Path, metadata: str, message: str) -> None:
    text = f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {metadata}\nspec: {{}}\n"
    assert refusal(tmp_path, text) == [message]


label_values = st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?)?", fullmatch=True)
label_keys = st.from_regex(r"([a-z]{1,8}(\.[a-z]{1,8}){0,2}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?", fullmatch=True)


@given(st.dictionaries(label_keys, label_values, max_size=4))
def test_valid_labels_survive_a_round_trip(tmp_path_factory: pytest.TempPathFactory, labels: dict[str, str]) -> None:
    folder = tmp_path_factory.mktemp("labels")
    selector = json.dumps([{"podSelector": {"matchLabels": labels}}])
    policy = load(folder, POLICY.format(peers=selector, ports="[]"))
    assert policy.ingress is not None and policy.ingress[0].peers is not None
    assert policy.ingress[0].peers[0].pod_selector == LabelSelector(labels)
