"""The generator's clock beside the kernel's, at its calls and at its interface; and generators that err."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.lab.port import Lab
from harness.meters import client_calls
from harness.meters.client_calls import CallWitness
from harness.meters.three_clocks import Clocks, agree, aligned
from harness.model.bench import LoadKind, LoadPoint
from harness.traffic import nginx
from harness.traffic.generator import SOURCE, generate
from harness.traffic.sightings import Witness, realtime_offset, sightings

PORT, RATE = 8080, 1000
SLACK = 100_000  # ns: how well the kernel's two clocks are known to each other

# Readings of a clock that a generator could have got wrong: the file, what stands there, and what stands there instead.
RECV = "ssize_t got = recv(c->fd, scratch, sizeof(scratch), 0);"
READING = "uint64_t now = clock_ns();"
TIME = "now.tv_sec * SECOND + now.tv_nsec"
EARLY = ("connection.h", f"{RECV}\n\t\t{READING}", f"{READING}\n\t\t{RECV}")
FAST = ("option.h", f"return {TIME};", f"return ({TIME}) / 100 * 103;")
SWAPPED = ("connection.h", "number_form(form, c->record - records)", "number_form(form, (c->record - records) ^ 1)")


class Gauge:
    def begin(self) -> None: ...

    def end(self) -> None: ...


@pytest.fixture(scope="module")
def served(pair_lab: Lab) -> Iterator[Lab]:
    with nginx.serve(pair_lab.pod("shop/server"), PORT, pair_lab.folder):
        yield pair_lab


def watched(lab: Lab, source: Path = SOURCE) -> Clocks:
    """A short load under the eyes of both observers; none of its requests fails."""
    client, server = lab.pod("shop/client"), lab.pod("shop/server")
    point = LoadPoint("clock", LoadKind.LATENCY, 0.5, 0.1, connections=8, arrivals="fixed")
    with Witness(client, "eth0") as interface, CallWitness(client) as calls:
        run = generate(client, server.pod.ip(4), PORT, point, RATE, Gauge(), spin=0.0, numbered=True, source=source)
        offset = realtime_offset()
        clocks = aligned(run, client_calls.sightings(calls.read()), sightings(interface.read()), offset)
    assert run.errors == 0
    assert len(clocks.sent) == len(run.records) - run.first == RATE // 2
    return clocks


def erring(folder: Path, file: str, right: str, wrong: str) -> Path:
    """A generator like ours but for one place."""
    for each in (SOURCE, *SOURCE.parent.glob("*.h")):
        shutil.copy(each, folder)
    text = (folder / file).read_text()
    assert text.count(right) == 1, f"{file} does not read {right!r} any more"
    (folder / file).write_text(text.replace(right, wrong))
    return folder / SOURCE.name


def test_each_clock_encloses_the_next_one_in_every_request(served: Lab) -> None:
    clocks = watched(served)
    assert (clocks.interface > 0).all()
    assert clocks.astray(SLACK) == 0
    # The generator's own part is two readings of a clock; what the stack takes is on the kernel's side of the stamps.
    assert np.median(clocks.generator - clocks.calls) < 5_000


def test_a_generator_that_reads_its_clock_before_the_answer_is_found(served: Lab, tmp_path: Path) -> None:
    clocks = watched(served, erring(tmp_path, *EARLY))
    assert clocks.astray(SLACK) == len(clocks.sent)


def test_a_generator_whose_clock_is_three_per_cent_fast_does_not_agree(served: Lab, tmp_path: Path) -> None:
    clocks = watched(served, erring(tmp_path, *FAST))
    assert not agree(clocks.generator, clocks.calls)


def test_a_generator_that_swaps_numbers_is_found(served: Lab, tmp_path: Path) -> None:
    clocks = watched(served, erring(tmp_path, *SWAPPED))
    assert clocks.astray(SLACK) == len(clocks.sent)


ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.send(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nx-request-id: 0000000007\\r\\n\\r\\n")
    assert connection.recv(65536).startswith(b"HTTP/1.1 ")
"""


@pytest.mark.parametrize(("component", "numbers"), [("client", [7]), ("tool", [])])
def test_only_what_runs_as_the_client_is_kept(served: Lab, component: str, numbers: list[int]) -> None:
    client, server = served.pod("shop/client"), served.pod("shop/server")
    with CallWitness(client) as calls:
        client.run([sys.executable, "-c", ASK, server.pod.ip(4), str(PORT)], component=component)
        assert list(client_calls.sightings(calls.read()).number) == numbers
