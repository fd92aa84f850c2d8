"""Whatever a file holds, it is read or refused with its name and a line; nothing else is ever raised."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.manifests import tree
from harness.manifests.bench import load_bench
from harness.manifests.calls import load_calls
from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError
from harness.manifests.flows import load_flows
from harness.manifests.objects import load_manifests, load_policies
from harness.manifests.targets import load_targets
from harness.manifests.topology import load_topology
from harness.model.origin import Origin
from harness.model.routing import Routing
from harness.model.service import Service, ServicePort
from harness.model.topology import Namespace, Pod, Topology

TOPOLOGY = Topology("t", ("n1",), (Namespace("shop"),), (Pod("a", "shop", "n1"),))
HERE = Origin("m.yaml", 1)
ROUTING = Routing(services=(Service(HERE, "a", "shop", (ServicePort(HERE, 80),)),))
LOADERS: Mapping[str, Callable[[Path], object]] = {
    "scenario": lambda file: load_bench([file]),
    "case": lambda file: load_cases([file]),
    "flows": lambda file: load_flows(file, TOPOLOGY),
    "requests": lambda file: load_calls(file, TOPOLOGY, ROUTING),
    "policies": lambda file: load_policies([file]),
    "targets": load_targets,
    "topology": load_topology,
}
FIELDS = [
    "apiVersion", "kind", "metadata", "name", "namespace", "spec", "podSelector", "matchLabels", "matchExpressions",
    "key", "operator", "values", "ingress", "from", "ports", "port", "ipBlock", "cidr", "except", "policyTypes",
    "items", "nodes", "namespaces", "pods", "labels", "ips", "title", "why", "topology", "client", "server", "apply",
    "endpointSelector", "fromEndpoints", "fromCIDRSet", "toEntities", "toPorts", "icmps", "fields", "type", "endPort", "rules",
    "ingressDeny", "specs", "status", "podIPs", "ip", "containers", "icmp", "protocol", "steps",
    "parentRefs", "hostnames", "matches", "path", "value", "headers", "queryParams", "method", "filters", "requestRedirect",
    "urlRewrite", "requestHeaderModifier", "requestMirror", "backendRef", "backendRefs", "weight", "timeouts", "retry", "codes",
    "listeners", "allowedRoutes", "clusterIP", "targetPort", "http", "grpc", "host", "gateway", "creationTimestamp",
    "expect", "otherwise", "flows", "to", "verdict", "loads", "seconds", "rate", "targets", "id", "bound",
]  # fmt: skip
VALUES = st.sampled_from(
    [
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "cilium.io/v2",
        "CiliumNetworkPolicy",
        "Namespace",
        "Pod",
        "ICMP",
        "v1",
        "List",
        "p",
        "10.0.0.0/8",
        "In",
        "TCP",
        "pair",
        "shop/a",
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        "GRPCRoute",
        "Gateway",
        "Service",
        "RegularExpression",
        "ReplacePrefixMatch",
        "/a",
    ]
)
data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=30,
)


def read_or_refused(load: Callable[[Path], object], file: Path) -> None:
    try:
        load(file)
    except ManifestError as refused:
        assert refused.faults
        for fault in refused.faults:
            assert fault.origin.line >= 1
            assert re.match(r"[^\n]+:\d+: [^\n]+$", str(fault))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "x.yaml"


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@given(value=data)
def test_data_of_any_shape_is_read_or_refused(load: Callable[[Path], object], file: Path, value: object) -> None:
    file.write_text(json.dumps(value, allow_nan=True))
    read_or_refused(load, file)


GATEWAY_API = "gateway.networking.k8s.io/v1"
KINDS = {
    "Service": "v1",
    "HTTPRoute": GATEWAY_API,
    "GRPCRoute": GATEWAY_API,
    "Gateway": GATEWAY_API,
    "ReferenceGrant": GATEWAY_API,
}


@pytest.mark.parametrize("kind", KINDS)
@given(spec=st.dictionaries(st.sampled_from(FIELDS), data, max_size=4), rule=st.dictionaries(st.sampled_from(FIELDS), data))
def test_objects_of_known_kinds_are_read_or_refused(file: Path, kind: str, spec: dict[str, object], rule: object) -> None:
    whole = {"apiVersion": KINDS[kind], "kind": kind, "metadata": {"name": "p"}, "spec": {"rules": [rule]} | spec}
    file.write_text(json.dumps(whole))
    read_or_refused(lambda path: load_manifests([path], services=True), file)


@given(content=st.binary(max_size=64) | st.text("a:- \n\t[]{}&*!|>'\"%#?,1", max_size=64).map(str.encode))
@example(content=b"\xff\xfea")
@example(content=b"%YAML 3.0\n---\na")
@example(content=b"? \n: \n")
@example(content=b"- &a a\n- *a : b\n")
def test_bytes_of_any_kind_are_read_or_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    read_or_refused(LOADERS["policies"], file)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
DAMAGED: Mapping[str, tuple[bytes, str]] = {
    "truncated": (b"apiVersion: v1\nitems:\n- {kind: [Pod", "3: not YAML: "),
    "truncated in a string": (b"title: T\nwhy: 'it", "2: not YAML: "),
    "alias bomb": (BOMB.encode(), "1: aliases expand to over 2,000,000 values; write what is meant"),
    "duplicate key": (b"kind: List\nitems: []\nkind: Pod\n", '3: duplicate key "kind", first on line 1; keep one'),
    "NUL": (b"kind: List\nitems: \0\n", "2: a control character, which YAML does not allow; remove it"),
    "not UTF-8": (b"kind: List\nitems: \xff\n", "2: byte 0xff is not UTF-8; save the file as UTF-8"),
    "UTF-16": ("kind: List\n".encode("utf-16"), "1: byte 0xff is not UTF-8; save the file as UTF-8"),
    "a hundred thousand brackets": (b"[" * 100_000, "1: nested deeper than 100 levels; flatten it"),
    "a tag that makes objects": (
        b"a: !!python/object/apply:os.system [x]\n",
        '1: tag "tag:yaml.org,2002:python/object/apply:os.system"; tags are not supported: remove it',
    ),
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_damaged_file_is_refused_with_its_line(load: Callable[[Path], object], damage: str, file: Path) -> None:
    content, message = DAMAGED[damage]
    file.write_bytes(content)
    with pytest.raises(ManifestError) as refused:
        load(file)
    assert str(refused.value.faults[0]).startswith(f"{file}:{message}")


def test_a_file_of_too_many_values_is_refused_before_they_are_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_VALUES", 1_000)
    file.write_text("- a\n" * 1_000)
    with pytest.raises(ManifestError) as refused:
        load_policies([file])
    what = "the file holds over 1,000 values up to here, those that << merges included; split it"
    assert str(refused.value) == f"{file}:1000: {what}"


@pytest.mark.parametrize("merges", ["- {<<: *a}\n" * 100, "- {<<: [" + "*a, " * 100 + "*a]}\n"])
def test_merges_are_counted_before_they_copy(file: Path, monkeypatch: pytest.MonkeyPatch, merges: str) -> None:
    monkeypatch.setattr(tree, "_VALUES", 1_000)
    monkeypatch.setattr(tree, "_measure", lambda node, children: None)  # what counts what was made already
    file.write_text(f"- &a {{{', '.join(f'k{number}: 1' for number in range(50))}}}\n{merges}")
    with pytest.raises(ManifestError, match="the file holds over 1,000 values up to here"):
        load_policies([file])


def test_an_enormous_file_and_a_device_without_an_end_are_refused() -> None:
    with pytest.raises(ManifestError, match="/dev/zero:1: over 64 MiB; split the file, or name another"):
        load_topology(Path("/dev/zero"))
