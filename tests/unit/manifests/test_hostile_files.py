"""Whatever a file holds, it is read or refused with its name and a line; nothing else is ever raised."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.manifests.bench import load_bench
from harness.manifests.errors import ManifestError
from harness.manifests.objects import load_policies
from harness.manifests.targets import load_targets
from harness.manifests.topology import load_topology

LOADERS: Mapping[str, Callable[[Path], object]] = {
    "scenario": lambda file: load_bench([file]),
    "policies": lambda file: load_policies([file]),
    "targets": load_targets,
    "topology": load_topology,
}
FIELDS = [
    "apiVersion", "kind", "metadata", "name", "namespace", "spec", "podSelector", "matchLabels", "matchExpressions",
    "key", "operator", "values", "ingress", "from", "ports", "port", "ipBlock", "cidr", "except", "policyTypes",
    "items", "nodes", "namespaces", "pods", "labels", "ips", "title", "why", "topology", "client", "server", "apply",
    "expect", "otherwise", "flows", "to", "verdict", "loads", "seconds", "rate", "targets", "id", "bound",
]  # fmt: skip
VALUES = st.sampled_from(
    ["networking.k8s.io/v1", "NetworkPolicy", "v1", "List", "p", "10.0.0.0/8", "In", "TCP", "pair", "shop/a"]
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


@given(content=st.binary(max_size=64) | st.text("a:- \n\t[]{}&*!|>'\"%#?,1", max_size=64).map(str.encode))
@example(content=b"\xff\xfea")
@example(content=b"%YAML 3.0\n---\na")
@example(content=b"? \n: \n")
@example(content=b"- &a a\n- *a : b\n")
def test_bytes_of_any_kind_are_read_or_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    read_or_refused(LOADERS["policies"], file)
