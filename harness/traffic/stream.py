"""Streams of small messages that go on while a cluster changes, and what each of their ends saw of them."""

import signal
from collections.abc import Iterable, Sequence
from enum import IntEnum
from pathlib import Path

import numpy as np

from harness.lab.build import c_program
from harness.lab.port import LabError, LabPod
from harness.model.churn import StreamSeen
from harness.traffic.diary import PATIENCE, Diary, Records, of_kind
from harness.traffic.port import LoadFailed

SOURCE = Path(__file__).with_name("stream.c")
SOURCE_PORT = 47_000
"""Of every stream's client, so that a pod that gets the address of another also gets the very flows that it had. Among the
ports that Linux gives to clients."""

_RECORD = np.dtype([("kind", "u4"), ("stream", "u4"), ("number", "u8"), ("sent", "u8"), ("time", "u8"), ("lost", "u8")])


class Kind(IntEnum):
    """What a record of a stream's end says; see stream.c."""

    SENT = 1
    ANSWERED = 2
    ARRIVED = 3
    MARKED = 4
    OPENED = 5
    ENDED = 6
    ATTEMPTED = 7


class StreamEnd(Diary):
    """A process at one end of streams, and what it writes down."""

    def settle(self) -> None:
        """Return when it has written down all that had come for it until now. Raises LoadFailed."""
        self.await_mark(self.ask_to_mark(signal.SIGUSR1), Kind.MARKED)


def stream_server(pod: LabPod, ports: Sequence[int], file: Path) -> StreamEnd:
    """A server in ``pod`` that sends every message back, by TCP and UDP on all ``ports``; returns when it serves."""
    what = f"the server of streams in pod {pod.pod.ref}"
    end = _started(what, pod, ["server", str(file), *map(str, ports)], "server", file)
    if not end.await_that(lambda: end.count() > 0, "served"):
        raise LoadFailed(f"{what} does not serve after {PATIENCE:g} s")
    return end


def stream_client(number: int, protocol: str, address: str, port: int, pod: LabPod, file: Path) -> StreamEnd:
    """Begin stream ``number`` from ``pod`` to an address; returns when its first message was given to the kernel, or tried."""
    what = f"stream {number} from pod {pod.pod.ref} to {address} port {port}"
    words = ["client", str(file), str(number), protocol.lower(), address, str(port), str(SOURCE_PORT)]
    end = _started(what, pod, words, "client", file)
    if not end.await_that(lambda: end.count() > 0, "began"):
        raise LoadFailed(f"{what} did not begin within {PATIENCE:g} s")
    return end


def _started(what: str, pod: LabPod, words: Sequence[str], component: str, file: Path) -> StreamEnd:
    try:
        return StreamEnd(what, pod.start([str(c_program(SOURCE)), *words], component=component), file, _RECORD)
    except LabError as error:
        raise LoadFailed(f"{what} could not be started: {error}") from error


def seen(number: int, client: StreamEnd, servers: Iterable[StreamEnd], since: int, until: int) -> StreamSeen:
    """What became of the messages of stream ``number`` that were sent from ``since`` on and before ``until`` (ns)."""
    records = client.records()
    earlier = records[records["time"] < since]
    inside = records[(records["time"] >= since) & (records["time"] < until)]
    sent = _between(of_kind(records, Kind.SENT), since, until)
    answers = _between(of_kind(records, Kind.ANSWERED), since, until)
    arrivals = [_between(server.of(Kind.ARRIVED), since, until) for server in servers]
    missing = sent[~np.isin(sent["number"], answers["number"])]
    return StreamSeen(
        sent=len(sent),
        arrived=sum(int((found["stream"] == number).sum()) for found in arrivals),
        unanswered=len(missing),
        first_unanswered=(int(missing["sent"][0]) - since) / 1e9 if len(missing) else None,
        attempts=len(of_kind(inside, Kind.ATTEMPTED)),
        ended=len(of_kind(inside, Kind.ENDED)),
        lost=max(int(inside["lost"].max(initial=0)) - int(earlier["lost"].max(initial=0)), 0),
        slowest=float((answers["time"] - answers["sent"]).max(initial=0)) / 1e9,
    )


def _between(records: Records, since: int, until: int) -> Records:
    found: Records = records[(records["sent"] >= since) & (records["sent"] < until)]
    return found
