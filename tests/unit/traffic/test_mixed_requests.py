"""Loads that mix forms of request: what arrives at the server, and which record says so."""

import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hostile import OK, serving
from loopback import LocalPod
from scipy.stats import binomtest
from test_generator_program import PROGRAM, openloop

from harness.lab.build import c_program
from harness.model.bench import LoadKind, LoadPoint, MixPart
from harness.traffic import registered
from harness.traffic.generator import BLOCKING, RECORD

CHANCE = 1e-9
"""Of a test that fails although the generator draws as it should."""


class Gauge:
    def begin(self) -> None: ...

    def end(self) -> None: ...


class Reader:
    """A server that counts the heads that it reads. Each is sent whole, as one segment of loopback."""

    def __init__(self) -> None:
        self.heads: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    def answer(self, client: socket.socket, head: bytes) -> None:
        with self._lock:
            self.heads[head] += 1
        client.sendall(OK)


@pytest.fixture
def reader() -> SimpleNamespace:
    read = Reader()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve(client: socket.socket) -> None:
        with suppress(OSError):  # clients end their connections by RST
            while head := client.recv(65536):
                read.answer(client, head)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return SimpleNamespace(port=listener.getsockname()[1], heads=read.heads, listener=listener)


def head(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("kind", [LoadKind.LATENCY, LoadKind.CLOSED, LoadKind.BLOCKING, LoadKind.CONNECTIONS])
def test_the_server_reads_each_form_as_it_is_written_and_as_often_as_its_part(
    kind: LoadKind, local: LocalPod, reader: SimpleNamespace
) -> None:
    mix = (MixPart(25, "/audit", (("X-Team", "web"), ("X-Twice", "a, b"))), MixPart(5, "/1k"))
    point = LoadPoint("test", kind, 0.4, 0.1, connections=4, path="/1k", headers=(("X-Own", "1"),), mix=mix)
    result = registered()[kind].run(local, local, reader.port, point, 2000, Gauge())
    reader.listener.close()
    own, audit, bare = head("/1k", "X-Own: 1"), head("/audit", "X-Team: web", "X-Twice: a, b"), head("/1k")
    total = sum(reader.heads.values())
    assert set(reader.heads) == {own, audit, bare}
    assert result.errors == 0
    for form, share in ((own, 0.7), (audit, 0.25), (bare, 0.05)):
        assert binomtest(reader.heads[form], total, share).pvalue > CHANCE


def test_the_records_say_which_form_was_sent(steady: SimpleNamespace, tmp_path: Path) -> None:
    ran = openloop(steady.port, tmp_path / "o", rate=2000, seconds=0.3, mix=40, path="/other")
    assert ran.status == 0, ran.stderr
    forms = ran.records["form"]
    assert set(np.unique(forms)) == {0, 1}
    assert binomtest(int(np.count_nonzero(forms)), len(forms), 0.4).pvalue > CHANCE


def test_the_same_seed_mixes_the_same(steady: SimpleNamespace, tmp_path: Path) -> None:
    options = {"rate": 1000, "seconds": 0.2, "arrivals": "fixed", "mix": 50, "path": "/other"}
    first, again = (openloop(steady.port, tmp_path / "o", seed=7, **options).records["form"] for _ in range(2))
    assert first.tolist() == again.tolist()
    other = openloop(steady.port, tmp_path / "o", seed=8, **options).records["form"]
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize(("percent", "forms"), [(0, {0}), (100, {1})])
def test_nothing_and_all_are_parts_too(percent: int, forms: set[int], steady: SimpleNamespace, tmp_path: Path) -> None:
    ran = openloop(steady.port, tmp_path / "o", rate=1000, mix=percent, path="/other")
    assert set(ran.records["form"].tolist()) == forms


def test_parts_of_more_than_all_are_refused(tmp_path: Path, local: LocalPod) -> None:
    argv = [PROGRAM, "--address", "127.0.0.1", "--port", "1", "--mix", "60", "--path", "/a", "--mix", "50", "--path", "/b"]
    done = local.run(argv, component="client", seconds=10, check=False)
    assert (done.status, done.stderr) == (2, "openloop: --mix is 50; 40 per cent are left\n")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--header", "X: " + "x" * 2046], "blocking: --header is too long: a form has room for 2048 bytes of them\n"),
        (["--path", "/" + "x" * 4096], "blocking: --path, --host and --header are longer than 4096 bytes together\n"),
        (["--mix", "1"] * 8, "blocking: --mix is given too often; there are 8 forms at most, with the first\n"),
    ],
)
def test_forms_without_room_are_refused(option: list[str], message: str, local: LocalPod) -> None:
    argv = [str(c_program(BLOCKING, "m")), "--address", "127.0.0.1", "--port", "1", *option]
    done = local.run(argv, component="client", seconds=10, check=False)
    assert (done.status, done.stderr) == (2, message)


def test_the_records_format_has_a_place_for_the_form() -> None:
    assert RECORD.itemsize == 40


def test_wrk_sends_the_headers(local: LocalPod, reader: SimpleNamespace) -> None:
    point = LoadPoint("test", LoadKind.MAXIMUM, 1, 0, connections=2, headers=(("X-Team", "web"),))
    result = registered()[LoadKind.MAXIMUM].run(local, local, reader.port, point, 0, Gauge())
    reader.listener.close()
    assert result.count > 0
    assert all(b"\r\nX-Team: web\r\n" in each for each in reader.heads)


@pytest.mark.parametrize("kind", [LoadKind.LATENCY, LoadKind.CLOSED, LoadKind.BLOCKING, LoadKind.CONNECTIONS, LoadKind.MAXIMUM])
def test_an_address_is_asked_instead_of_the_servers_own(
    kind: LoadKind, local: LocalPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "pod", replace(local.pod, ips=("127.0.0.99", "fd00::99")))

    def answer(client: socket.socket) -> None:
        client.sendall(OK)

    with serving(answer, socket.AF_INET6) as port:
        point = LoadPoint("test", kind, 1, 0, connections=2, family=6)
        result = registered()[kind].run(local, local, port, point, 100, Gauge(), address="::1")
    assert result.count > 0
