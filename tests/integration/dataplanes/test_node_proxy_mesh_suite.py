"""The node proxy passes the mesh cases of Gateway API's conformance suite."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from http_ends import Backend, backend
from mesh_suite import MESH, SERVICES, SUITE
from routed_answers import joined
from service_clients import ask, connection

from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment
from harness.lab import netns
from harness.lab.port import Lab
from harness.manifests.objects import load_manifests


@pytest.fixture(scope="module")
def mesh_lab(root: None) -> Iterator[Lab]:
    with netns.up(MESH) as lab:
        yield lab


@pytest.fixture(scope="module")
def echoes(mesh_lab: Lab) -> Iterator[dict[str, Backend]]:
    with ExitStack() as stack:
        yield {pod.pod.ref: stack.enter_context(backend(pod)) for pod in mesh_lab.pods}


@pytest.fixture(scope="module")
def mesh(mesh_lab: Lab, echoes: dict[str, Backend]) -> Iterator[Attachment]:
    with NodeProxy().attach(mesh_lab) as attachment:
        yield attachment


@pytest.mark.parametrize("case", SUITE)
def test_mesh_conformance(mesh_lab: Lab, echoes: dict[str, Backend], mesh: Attachment, tmp_path: Path, case: str) -> None:
    manifests, asked = SUITE[case]
    (tmp_path / "m.yaml").write_text(SERVICES + manifests)
    routing = load_manifests([tmp_path / "m.yaml"], services=True).routing
    mesh.apply((), routing)
    for each in asked:
        for served in echoes.values():
            served.seen.clear()
        headers = dict(each.headers)
        host = headers.pop("Host", each.to)
        with closing(connection(mesh_lab, each.source, routing.services, f"mesh/{each.to}", each.port, 4)) as opened:
            answer = ask(opened, each.path, host=host, headers=headers.items())
        seen = [(ref, request) for ref, served in echoes.items() for request in served.seen]
        if isinstance(each.expected, int):
            assert (answer.status, answer.headers.get("location"), seen) == (each.expected, each.location, []), each
            continue
        assert [answer.body, *(ref for ref, _ in seen)] == [f"mesh/{each.expected}"] * 2, each
        told = joined(line.decode().split(": ", 1) for line in seen[0][1].lines)
        assert seen[0][1].target == (each.target or each.path)
        assert {name: told.get(name) for name in each.told} == each.told
        assert {name: answer.headers.get(name) for name in each.gets} == each.gets
