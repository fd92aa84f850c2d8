"""Server, loads and probes between pods of a real lab, without a mesh."""

import socket
import threading
from collections.abc import Iterator

import pytest

from harness.lab.port import Lab, LabError, LabPod
from harness.model.bench import LoadKind, LoadPoint
from harness.model.flow import Flow, Verdict
from harness.traffic import nginx, registered
from harness.traffic.port import LoadFailed
from harness.traffic.probe import Observation, probe

PORT = 8080
CLIENT, SERVER = "shop/client", "shop/server"
INPUT_CHAIN = "add table inet t; add chain inet t c { type filter hook input priority 0; };"


class Gauge:
    """Counts, and reads the client's CPU time, as a meter would."""

    def __init__(self, client: LabPod) -> None:
        self.calls: list[str] = []
        self._client = client

    def begin(self) -> None:
        self.calls.append("begin")
        members = (self._client.component_cgroup("client") / "cgroup.procs").read_text().split()
        self.members = len(members)

    def end(self) -> None:
        self.calls.append("end")


@pytest.fixture(scope="module")
def served(pair_lab: Lab) -> Iterator[Lab]:
    with (
        nginx.serve(pair_lab.pod(SERVER), PORT, pair_lab.folder),
        nginx.serve(pair_lab.pod("shop/neighbour"), PORT, pair_lab.folder),
    ):
        yield pair_lab


def get(lab: Lab, path: str, family: int) -> bytes:
    client, server = lab.pod(CLIENT), lab.pod(SERVER)
    with client.entered(), socket.create_connection((server.pod.ip(family), PORT), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            return answer.read()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(("path", "body"), [("/1k", b"x" * 1024), ("/64k", b"x" * 65536), ("/name", SERVER.encode())])
def test_server_answers_on_both_families(path: str, body: bytes, family: int, served: Lab) -> None:
    head, _, got = get(served, path, family).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"Content-Length: {len(body)}".encode() in head
    assert got == body


def test_small_answer_is_one_segment(served: Lab) -> None:
    client, server = served.pod(CLIENT), served.pod(SERVER)
    with client.entered(), socket.create_connection((server.pod.ip(4), PORT), timeout=5) as connection:
        connection.sendall(b"GET /1k HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).endswith(b"x" * 1024)


def test_taken_port_is_named_at_once(served: Lab) -> None:
    with (
        pytest.raises(LabError, match="nginx cannot listen on port 8080 of pod shop/server: Address already in use"),
        nginx.serve(served.pod(SERVER), PORT, served.folder),
    ):
        pass


def test_failing_configuration_is_told_in_nginx_own_words(pair_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx, "CONFIGURATION", nginx.CONFIGURATION.replace("sendfile on", "sendfile perhaps"))
    with (
        pytest.raises(LabError, match=r'nginx in pod shop/server ended with status 1: .*invalid value "perhaps" in "sendfile"'),
        nginx.serve(pair_lab.pod(SERVER), 8081, pair_lab.folder),
    ):
        pass


def test_server_is_gone_when_it_is_left(pair_lab: Lab) -> None:
    pod = pair_lab.pod(SERVER)
    with nginx.serve(pod, 8082, pair_lab.folder) as process:
        members = (pod.component_cgroup("server") / "cgroup.procs").read_text().split()
        assert str(process.pid) in members
    assert process.poll() is not None
    seen = probe(Flow(CLIENT, SERVER, 8082), pair_lab.pod(CLIENT), pod)
    assert seen.verdict is Verdict.REJECTED


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", [kind for kind in LoadKind if kind is not LoadKind.CAPACITY])  # test_capacity.py has its own
def test_load_runs_billed_to_the_client(kind: LoadKind, family: int, served: Lab) -> None:
    client, server = served.pod(CLIENT), served.pod(SERVER)
    point = LoadPoint("test", kind, seconds=0.4, warmup=0.1, connections=4, family=family)
    gauge = Gauge(client)
    result = registered()[kind].run(client, server, PORT, point, 500.0, gauge)
    assert gauge.calls == ["begin", "end"]
    assert result.errors == 0
    assert result.count > 0
    assert result.metrics[0].value > 0
    assert gauge.members == (0 if kind is LoadKind.MAXIMUM else 1)


def test_bulk_says_when_the_server_cannot_be_reached(pair_lab: Lab) -> None:
    client, server = pair_lab.pod(CLIENT), pair_lab.pod(SERVER)
    server.run(["nft", f"{INPUT_CHAIN} add rule inet t c tcp dport 5201 reject"])
    try:
        with pytest.raises(LoadFailed, match=r"iperf3.*unable to connect"):
            registered()["bulk"].run(client, server, PORT, LoadPoint("b", LoadKind.BULK, 1, 0), 0, Gauge(client))
    finally:
        server.run(["nft", "delete table inet t"])


def observe(lab: Lab, family: int, port: int = PORT, destination: str = SERVER) -> Observation:
    return probe(Flow(CLIENT, destination, port, family=family), lab.pod(CLIENT), lab.pod(destination), seconds=0.5)


@pytest.mark.parametrize("family", [4, 6])
def test_probe_is_answered_by_the_pod_that_was_meant(family: int, served: Lab) -> None:
    assert observe(served, family).verdict is Verdict.FORWARDED
    assert observe(served, family, destination="shop/neighbour").detail == "status 200 from shop/neighbour"


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("rule", "verdict", "detail"),
    [
        ("drop", Verdict.DROPPED, "silence while connecting"),
        ("reject with tcp reset", Verdict.REJECTED, "ECONNREFUSED"),
        ("reject with icmpx type admin-prohibited", Verdict.REJECTED, "E"),
        ("tcp flags & (syn|psh) == psh drop", Verdict.DROPPED, "silence while waiting"),
        ("tcp flags & (syn|psh) == psh reject with tcp reset", Verdict.REJECTED, "ECONNRESET"),
        ("tcp flags & (syn|psh) == psh reject with icmpx type admin-prohibited", Verdict.REJECTED, "E"),
    ],
)
def test_probe_tells_silence_from_refusal(rule: str, verdict: Verdict, detail: str, family: int, served: Lab) -> None:
    server = served.pod(SERVER)
    server.run(["nft", f"{INPUT_CHAIN} add rule inet t c tcp dport {PORT} {rule}"])
    try:
        seen = observe(served, family)
    finally:
        server.run(["nft", "delete table inet t"])
    assert seen.verdict is verdict, seen
    assert seen.detail.startswith(detail)


def test_probe_that_somebody_else_answers_is_not_forwarded(served: Lab) -> None:
    client, neighbour = served.pod(CLIENT), served.pod("shop/neighbour")
    hook = "add table ip t; add chain ip t c { type nat hook output priority -100; };"
    client.run(["nft", f"{hook} add rule ip t c tcp dport {PORT} dnat to {neighbour.pod.ip(4)}"])
    try:
        seen = observe(served, 4)
    finally:
        client.run(["nft", "delete table ip t"])
    assert seen.verdict is Verdict.REDIRECTED
    assert seen.detail == "answered by shop/neighbour, not by shop/server"


def test_probe_is_a_process_of_the_client_pod(served: Lab) -> None:
    """A hook on the pod's cgroup must judge it: what listens sees, while the probe waits, whose socket it is."""
    client, server = served.pod(CLIENT), served.pod(SERVER)
    with server.entered():
        listener = socket.create_server((server.pod.ip(4), 8083))
    members: list[str] = []

    def look() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        members.extend((client.component_cgroup("probe") / "cgroup.procs").read_text().split())
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    seen = observe(served, 4, port=8083)
    thread.join()
    listener.close()
    assert seen.verdict is Verdict.REJECTED
    assert len(members) == 1
