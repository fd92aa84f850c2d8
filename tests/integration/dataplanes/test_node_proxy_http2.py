"""Requests of HTTP/2 are judged one by one, as those of HTTP/1.1, and reach their backend as HTTP/2."""

import pytest
from http2_ends import Http2Client, http2_backend
from http_ends import Answer, connected
from request_policies import http, ingress, rule

from harness.dataplanes.port import Attachment
from harness.lab.port import Lab, LabPod

PORT = 9090


@pytest.mark.parametrize("app", ["server", "neighbour"])
@pytest.mark.parametrize("family", [4, 6])
def test_each_request_of_a_connection_is_judged(
    plane: Attachment, pair_lab: Lab, client: LabPod, app: str, family: int
) -> None:
    server = pair_lab.pod(f"shop/{app}")
    plane.apply([ingress(app, rule("client", http("/a"), http("/b", "POST"), port=PORT))])
    with http2_backend(server, PORT) as backend, connected(client, server, family, PORT) as connection:
        asking = Http2Client(connection)
        assert asking.ask("/a") == Answer(200, server.pod.ref.encode())
        assert asking.ask("/b") == Answer(403, b"Access denied\r\n")
        assert asking.ask("/b", "POST").status == 200
        plane.apply([ingress(app, rule("client", http("/b"), port=PORT))])
        assert [asking.ask("/a").status, asking.ask("/b").status] == [403, 200]
    assert backend.paths == ["/a", "/b", "/b"]
