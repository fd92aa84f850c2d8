"""The fast path and Envoy's give the same answers and let backends see the same, whatever a client sends, however cut."""

from collections.abc import Iterator
from functools import partial

import pytest
from both_paths import SECONDS, WAYS, Observed, observed
from http_ends import connected
from request_policies import http, ingress, rule
from strict_backend import StrictBackend, strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment
from harness.lab.port import Lab, LabPod

PORT = 8081


@pytest.fixture(scope="module")
def strict(pair_lab: Lab) -> Iterator[StrictBackend]:
    with strict_backend(pair_lab.pod("shop/neighbour"), PORT) as served:
        yield served


@pytest.fixture(scope="module", params=[NodeProxy(), EbpfL7()], ids=lambda plane: plane.name)
def either(pair_lab: Lab, strict: StrictBackend, request: pytest.FixtureRequest) -> Iterator[Attachment]:
    methods = [http("/public/.*", method) for method in ("GET", "POST", "HEAD")]
    with request.param.attach(pair_lab) as attachment:
        attachment.apply([ingress("neighbour", rule("client", *methods, port=PORT))])
        yield attachment


@pytest.fixture(scope="module")
def by_envoy() -> dict[str, dict[str, Observed]]:
    """What was observed of the node proxy, by the way of sending and the case's name."""
    return {}


@pytest.mark.parametrize("way", WAYS)
def test_both_paths_answer_alike(
    either: Attachment, pair_lab: Lab, client: LabPod, strict: StrictBackend, by_envoy: dict[str, dict[str, Observed]], way: str
) -> None:
    connect = partial(connected, client, pair_lab.pod("shop/neighbour"), port=PORT, seconds=SECONDS)
    found = observed(connect, strict, way)
    denied = {name: seen for name, (_, seen) in found.items() if any(b"private" in each.target for each in seen)}
    assert not denied, "denied requests reached the backend"
    if isinstance(either, EbpfL7Attachment):
        assert either.path_counts()["fast"] > 0
        assert {name: (found[name], each) for name, each in by_envoy[way].items() if found[name] != each} == {}
    else:
        by_envoy[way] = found
