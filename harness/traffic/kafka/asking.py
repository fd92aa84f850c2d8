"""Requests of flows: each made once, and what became of it, by its client and by the brokers."""

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from harness.model.flow import Flow, Verdict
from harness.model.kafka import AUTHORIZATION_ERRORS, UNSUPPORTED_VERSION, VERSIONS, WITH_TOPICS, KafkaAsk
from harness.traffic.asker import Connections, kept_connections
from harness.traffic.exchange import cut
from harness.traffic.kafka.answers import ANSWER_HEAD, Unreadable, faithful, said
from harness.traffic.kafka.programs import KafkaPrograms
from harness.traffic.kafka.record import Asked
from harness.traffic.kafka.requests import encoded
from harness.traffic.kept import told
from harness.traffic.port import LoadFailed
from harness.traffic.probe import Observation

_CLOSED = ("closed", "EPIPE", "ECONNRESET")


def is_kafka(flow: Flow) -> bool:
    """Whether a flow is a request that programs of this package make."""
    return isinstance(flow.request, KafkaAsk)


def topics(flows: Sequence[Flow]) -> set[str]:
    """The topics that brokers need for what ``flows`` ask: all that are not to be created."""
    asked = [flow.request for flow in flows if isinstance(flow.request, KafkaAsk)]
    return {topic for each in asked if each.api != "createtopics" for topic in each.topics}


class KafkaWatch:
    """What reaches brokers from when this is made."""

    def __init__(self, programs: KafkaPrograms) -> None:
        self._brokers = programs.brokers
        self._since = {ref: broker.record.now() for ref, broker in programs.brokers.items()}

    def read_by(self, nonce: int) -> tuple[str, Asked] | None:
        """Which broker read the request, and what it read and said."""
        for ref, broker in self._brokers.items():
            if (asked := broker.record.asked(nonce, self._since[ref])) is not None:
                return ref, asked
        return None

    def reached(self, flow: Flow, nonce: int) -> str | None:
        """What of ``flow``, asked with ``nonce``, a broker read until now, in words; None if nothing.

        Of an unfinished request it is not told whose it is: it counts for all that were asked of that broker meanwhile.
        """
        if (read := self.read_by(nonce)) is not None:
            return f"the broker of {read[0]} read it"
        broker = self._brokers.get(flow.destination)
        begun = None if broker is None else broker.record.begun(self._since[flow.destination])
        return None if begun is None else f"its broker read {len(begun)} bytes of an unfinished request"


@dataclass(frozen=True, slots=True)
class KafkaRequests:
    """Requests of Kafka as conformance has them made (asker.py)."""

    programs: KafkaPrograms

    def asks(self, flow: Flow) -> bool:
        return is_kafka(flow)

    def connections(self) -> AbstractContextManager[Connections]:
        return kept_connections(self.programs.clients)

    def ask(
        self, flows: Sequence[Flow], seconds: float, kept: Connections | None = None, *, all_kept: bool = False
    ) -> list[Observation]:
        watch, begun = KafkaWatch(self.programs), time.monotonic()
        nonces = random.sample(range(1, 1 << 31), len(flows))
        things = []
        for flow, nonce in zip(flows, nonces, strict=True):
            asked = _asked(flow)
            over = kept.of(flow) if kept is not None and (all_kept or asked.shared) else None
            things.append({**self._thing(flow, asked, nonce, seconds), "connection": over})
        came = told(flows, things, self.programs.clients)
        took = time.monotonic() - begun
        return [
            judge(flow, nonce, each["end"], bytes.fromhex(each["data"]), watch.read_by(nonce), took)
            for flow, nonce, each in zip(flows, nonces, came, strict=True)
        ]

    def begin(self, flows: Sequence[Flow], kept: Connections) -> list[int]:
        if flows:
            raise LoadFailed(f"{flows[0]} does not go on: a request of Kafka ends with its answer")
        return []

    def go_on(
        self, flows: Sequence[Flow], seconds: Sequence[float], kept: Connections, nonces: Sequence[int]
    ) -> list[Observation]:
        return []  # none was begun

    def watch(self) -> KafkaWatch:
        return KafkaWatch(self.programs)

    def refused(self, seen: Observation) -> bool:
        return seen.verdict is Verdict.REJECTED and seen.status in AUTHORIZATION_ERRORS

    def _thing(self, flow: Flow, asked: KafkaAsk, nonce: int, seconds: float) -> Mapping[str, Any]:
        try:
            address = self.programs.lab.pod(flow.destination).pod.ip(flow.family)
            pieces = [piece.hex() for piece in cut(encoded(asked, nonce), asked.sends)]
        except KeyError as error:
            raise LoadFailed(f"{flow} could not be asked: {error.args[0]}") from error
        except ValueError as error:
            raise LoadFailed(f"{flow} could not be asked: {error}") from error
        return {"do": "ask", "address": address, "port": flow.port, "pieces": pieces, "seconds": seconds}


def judge(flow: Flow, nonce: int, end: str, answer: bytes, read: tuple[str, Asked] | None, took: float) -> Observation:
    """The verdict on a request with ``nonce`` that ended so for its client, and that was ``read`` by a pod's broker, if by any.

    It is forwarded where its own broker read it as it was sent, and the client got what that said, be it nothing and a close.
    ``took`` is in seconds. The status is the error that an answer of the data plane's own says.
    """
    asked = _asked(flow)
    verdict, detail, status = (
        _of_a_broker(flow, encoded(asked, nonce), end, answer, *read)
        if read is not None
        else _of_none(asked, nonce, end, answer)
    )
    return Observation(verdict, took, detail, nonce, status)


def _of_a_broker(flow: Flow, sent: bytes, end: str, answer: bytes, ref: str, read: Asked) -> tuple[Verdict, str, int]:
    if (wrong := _misread(flow, sent, ref, read)) is not None:
        return Verdict.REDIRECTED, wrong, 0
    if end == "silent":
        return Verdict.DROPPED, "silence, though its broker read it", 0
    if not faithful(_asked(flow), answer, read.answer) or (not answer and end not in _CLOSED):
        return Verdict.REJECTED, f"{_shown(end, answer)}, though its broker said {_shown('nothing', read.answer)}", 0
    if not answer:
        return Verdict.FORWARDED, f"{ref} closed the connection", 0
    return Verdict.FORWARDED, f"{_errors(_asked(flow), answer)} from {ref}", 0


def _misread(flow: Flow, sent: bytes, ref: str, read: Asked) -> str | None:
    """What is wrong with what the broker of ``ref`` read, or None."""
    if ref != flow.destination:
        return f"the broker of {ref} read it, not that of {flow.destination}"
    if read.request != sent:
        return f"its broker read {read.request!r}, which is not what was sent"
    return f"its broker read it {read.times} times" if read.times > 1 else None


def _of_none(asked: KafkaAsk, nonce: int, end: str, answer: bytes) -> tuple[Verdict, str, int]:
    if end == "silent":
        return Verdict.DROPPED, "silence", 0
    if end != "answered":
        what = "connection closed without an answer" if end in _CLOSED and not answer else _shown(end, answer)
        return Verdict.REJECTED, what, 0
    if ANSWER_HEAD.unpack_from(answer.ljust(ANSWER_HEAD.size, b"\0"))[1] != nonce:
        return Verdict.REDIRECTED, f"{_shown(end, answer)}, which is for another request; no broker read it", 0
    try:
        errors = said(asked, answer).errors
    except Unreadable as error:
        return Verdict.REDIRECTED, f"an answer that cannot be read ({error}); no broker read it", 0
    if not _refuses(asked, errors):
        return Verdict.REDIRECTED, f"{_errors(asked, answer)}; no broker read it", 0
    return Verdict.REJECTED, _errors(asked, answer), errors[0] if errors else 0


def _refuses(asked: KafkaAsk, errors: tuple[int, ...]) -> bool:
    """Whether an answer with these errors is a refusal of all that was asked for.

    Of all topics none may be listed, and no error: so brokers answer who may see none. A version of ApiVersions that is not
    known is told to be that.
    """
    if not errors:
        return asked.api in WITH_TOPICS and not asked.topics
    if errors == (UNSUPPORTED_VERSION,):
        return asked.api == "apiversions" and asked.version not in VERSIONS[asked.api]
    return all(each in AUTHORIZATION_ERRORS for each in errors)


def _asked(flow: Flow) -> KafkaAsk:
    if not isinstance(flow.request, KafkaAsk):
        raise LoadFailed(f"{flow} is no request of Kafka")
    return flow.request


def _errors(asked: KafkaAsk, answer: bytes) -> str:
    try:
        return str(said(asked, answer))
    except Unreadable:
        return "an answer of a version that nobody has published"


def _shown(end: str, answer: bytes) -> str:
    return f"{answer[:60]!r}{'…' if len(answer) > 60 else ''}" if answer else end
