"""A program for the inside of a pod: a client of gRPC that makes the calls that it is told to make.

Usage: client.py SOCKET. It is told over that (told.py) to do things, all at the same time. Each has ``do``:
    ask      makes a call over a connection of its own, or over that called ``connection``, which is then kept
    begin    makes the first exchange of a bidirectional call over ``connection``, and keeps the call under ``call``
    go-on    has the rest of ``call``
    close    ends ``connection``
A call has ``target``, ``authority``, ``method``, ``kind``, ``metadata`` (a list of pairs), ``size`` in bytes of each message,
and ``seconds``, its deadline. What came of it: ``code`` and ``details`` of its status, ``by``, who says in the trailing
metadata to have answered, None where nobody does, ``whole``: whether every message was answered as it was sent, and
``headers``, the metadata that came first (a list of pairs).

It is grpcio's blocking client, in threads: that of asyncio says INTERNAL of a call that was refused while it sent a message.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event, Lock, Thread, Timer
from typing import Any

import grpc

from harness.traffic.told import serve

MESSAGES = 3  # of a stream
LARGEST = 8 << 20
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # else channels to one target share a connection
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", LARGEST),
)


@dataclass
class Kept:
    """A call, the messages that it has still to send, and whether all was answered as it was sent until now."""

    call: Any
    payload: bytes
    sending: "SimpleQueue[bytes | None]" = field(default_factory=SimpleQueue)
    whole: bool = False


class Client:
    """Connections and calls that are kept, by the names that they were given."""

    def __init__(self) -> None:
        self._channels: dict[str, Any] = {}
        self._calls: dict[str, Kept] = {}
        self._naming = Lock()

    def do(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One thing, and what came of it."""
        match asked["do"]:
            case "ask":
                return self._ask(asked)
            case "begin":
                return self._begin(asked)
            case "go-on":
                return _ended(self._calls.pop(asked["call"]), _rest, asked["seconds"])
            case _:
                channel = self._channels.pop(asked["connection"], None)
                if channel is not None:
                    _close(channel)
                return {}

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(asked)
        try:
            start, exchange = _KINDS[asked["kind"]]
            return _ended(start(channel, asked), exchange, asked["seconds"])
        finally:
            if asked["connection"] is None:
                _close(channel)

    def _begin(self, asked: dict[str, Any]) -> dict[str, Any]:
        kept = _bidi(self._channel(asked), asked)
        kept.whole = True
        impatient = Timer(asked["seconds"], kept.call.cancel)
        impatient.start()
        try:
            _one(kept)
        except (grpc.RpcError, StopIteration):
            return _ended(kept, lambda _: None, asked["seconds"])
        finally:
            impatient.cancel()
        self._calls[asked["call"]] = kept
        return {"code": 0, "details": "", "by": None, "whole": kept.whole}

    def _channel(self, asked: dict[str, Any]) -> Any:
        name = asked["connection"]
        with self._naming:
            if name is not None and name in self._channels:
                return self._channels[name]
            options = (*OPTIONS, ("grpc.default_authority", asked["authority"]))
            channel = grpc.insecure_channel(asked["target"], options=options)
            if name is not None:
                self._channels[name] = channel
            return channel


def _close(channel: Any) -> None:
    """Close a connection without waiting.

    grpcio waits for all that its calls had begun. A stream of 100 kB messages that the same-node path of ``ebpf-sockmap`` no
    longer carried never ended so.
    """
    Thread(target=channel.close, daemon=True).start()


def _payload(asked: dict[str, Any]) -> bytes:
    """Bytes of which no two pages are alike, so that what is lost or comes twice is seen."""
    size = asked["size"]
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]


def _metadata(asked: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in asked["metadata"])


def _right(answer: bytes, sent: bytes) -> bool:
    return answer.partition(b"\n")[2] == sent


def _unary(channel: Any, asked: dict[str, Any]) -> Kept:
    payload = _payload(asked)
    return Kept(channel.unary_unary(f"/{asked['method']}").future(payload, metadata=_metadata(asked)), payload)


def _client_stream(channel: Any, asked: dict[str, Any]) -> Kept:
    payload = _payload(asked)
    sent = iter([payload] * MESSAGES)
    return Kept(channel.stream_unary(f"/{asked['method']}").future(sent, metadata=_metadata(asked)), payload)


def _server_stream(channel: Any, asked: dict[str, Any]) -> Kept:
    payload = _payload(asked)
    return Kept(channel.unary_stream(f"/{asked['method']}")(payload, metadata=_metadata(asked)), payload)


def _bidi(channel: Any, asked: dict[str, Any]) -> Kept:
    sending: SimpleQueue[bytes | None] = SimpleQueue()
    sent: Iterator[bytes | None] = iter(sending.get, None)
    return Kept(channel.stream_stream(f"/{asked['method']}")(sent, metadata=_metadata(asked)), _payload(asked), sending)


def _answer(kept: Kept) -> None:
    kept.whole = _right(kept.call.result(), kept.payload)


def _answer_to_all(kept: Kept) -> None:
    kept.whole = _right(kept.call.result(), MESSAGES * kept.payload)


def _answers(kept: Kept) -> None:
    answers = 0
    right = True
    try:
        for each in kept.call:
            answers += 1
            right &= _right(each, kept.payload)
    finally:  # an error may follow the messages
        kept.whole = right and answers == MESSAGES


def _one(kept: Kept) -> None:
    """One message of a bidirectional call, and its answer."""
    kept.sending.put(kept.payload)
    kept.whole &= _right(next(kept.call), kept.payload)


def _rest(kept: Kept) -> None:
    for _ in range(MESSAGES - 1):
        _one(kept)
    kept.sending.put(None)
    kept.whole &= next(kept.call, None) is None


def _each(kept: Kept) -> None:
    kept.whole = True
    _one(kept)
    _rest(kept)


Exchange = Callable[[Kept], None]
_KINDS: dict[str, tuple[Callable[[Any, dict[str, Any]], Kept], Exchange]] = {
    "unary": (_unary, _answer),
    "client-stream": (_client_stream, _answer_to_all),
    "server-stream": (_server_stream, _answers),
    "bidi": (_bidi, _each),
}


def _ended(kept: Kept, exchange: Exchange, seconds: float) -> dict[str, Any]:
    """What came of a call of which ``exchange`` is all that is left."""
    late = Event()

    def give_up() -> None:
        late.set()
        kept.call.cancel()

    impatient = Timer(seconds, give_up)
    impatient.start()
    try:
        with suppress(grpc.RpcError, grpc.FutureCancelledError, StopIteration):  # its status says it
            exchange(kept)
        code = kept.call.code()
    finally:
        impatient.cancel()
        kept.sending.put(None)  # its sender's thread ends
    if late.is_set() and code is grpc.StatusCode.CANCELLED:
        return {"code": grpc.StatusCode.DEADLINE_EXCEEDED.value[0], "details": "no end in time", "by": None, "whole": False}
    return {
        "code": code.value[0],
        "details": kept.call.details() or "",
        "by": dict(kept.call.trailing_metadata() or ()).get("answered-by"),
        "whole": kept.whole,
        "headers": [(name, value) for name, value in kept.call.initial_metadata() or () if isinstance(value, str)],
    }


def main() -> None:
    """Serve until killed."""
    client = Client()

    def do(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(max(1, len(asked))) as pool:
            return list(pool.map(client.do, asked))

    serve(sys.argv[1], do)


if __name__ == "__main__":
    main()
