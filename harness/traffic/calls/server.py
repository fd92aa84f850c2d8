"""A program for the inside of a pod: a server of gRPC that answers every method by saying who it is.

Usage: server.py NAME DIARY PORT... It writes ``serving`` to its output when it takes connections on all ports, over IPv4 and
IPv6. What arrives is appended to DIARY, a line of JSON each: ``called`` as soon as a call is known, with its method,
authority and metadata (a list of pairs); ``served`` with the peer's address; ``message`` for each further message of a
stream; ``requested`` for a request of HTTP/1.1. Each has the ``probe`` that its client said of itself.

A call says by its metadata what is wanted: ``probe-kind``, its kind, and ``probe-answer``, the status it should end with.
Every answer begins with NAME and a line end, and repeats what was sent. NAME is also in the trailing metadata
(``answered-by``), so that errors without a message say who gave them.

Ports answer HTTP/1.1 too. What begins like HTTP/2 is passed on, byte by byte, to grpcio's own port on the loopback.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc

from harness.traffic.passing import pass_on

PREFACE = b"PRI * HTTP/2.0\r\n"
MESSAGES = 3  # of a stream of the server's
LARGEST = 8 << 20


def _joined(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """By name; what comes several times is one value, with commas, as of headers of HTTP."""
    found: dict[str, str] = {}
    for name, value in metadata:
        text = value if isinstance(value, str) else value.hex()
        found[name] = f"{found[name]},{text}" if name in found else text
    return found


class Ears(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio ships no types
    """Takes every method, of whatever kind its caller says it is."""

    def __init__(self, name: str, diary: Path) -> None:
        self._name = name.encode()
        self._diary = diary.open("a", buffering=1)
        self.peers: dict[str, str] = {}  # by the port on the loopback over which their bytes come

    def note(self, what: str, probe: str, **more: object) -> None:
        """Write down what arrived."""
        self._diary.write(json.dumps({"what": what, "probe": probe, **more}) + "\n")

    def service(self, details: Any) -> Any:
        """The handler of a call that has just begun."""
        said = dict(details.invocation_metadata)
        self.note(
            "called", said.get("probe", ""), method=details.method.removeprefix("/"), metadata=list(details.invocation_metadata)
        )
        return {
            "unary": lambda: grpc.unary_unary_rpc_method_handler(self._one_for_one),
            "client-stream": lambda: grpc.stream_unary_rpc_method_handler(self._one_for_many),
            "server-stream": lambda: grpc.unary_stream_rpc_method_handler(self._many_for_one),
            "bidi": lambda: grpc.stream_stream_rpc_method_handler(self._each_for_each),
        }[said.get("probe-kind", "unary")]()

    def _answer(self, sent: bytes) -> bytes:
        return self._name + b"\n" + sent

    async def _begin(self, context: Any) -> dict[str, str]:
        said = dict(context.invocation_metadata())
        port = context.peer().rpartition(":")[2]
        self.note("served", said.get("probe", ""), peer=self.peers.get(port, context.peer()))
        context.set_trailing_metadata((("answered-by", self._name.decode()),))
        return said

    async def _end(self, said: dict[str, str], context: Any) -> None:
        wanted = grpc.StatusCode[said.get("probe-answer", "OK")]
        if wanted is not grpc.StatusCode.OK:
            await context.abort(wanted, f"as {self._name.decode()} was told", (("answered-by", self._name.decode()),))

    async def _one_for_one(self, sent: bytes, context: Any) -> bytes:
        await self._end(await self._begin(context), context)
        return self._answer(sent)

    async def _one_for_many(self, messages: AsyncIterator[bytes], context: Any) -> bytes:
        said = await self._begin(context)
        sent = [each async for each in messages]
        await self._end(said, context)
        return self._answer(b"".join(sent))

    async def _many_for_one(self, sent: bytes, context: Any) -> AsyncIterator[bytes]:
        said = await self._begin(context)
        for _ in range(MESSAGES):
            yield self._answer(sent)
        await self._end(said, context)

    async def _each_for_each(self, messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        said = await self._begin(context)
        first = True
        async for each in messages:
            if not first:
                self.note("message", said.get("probe", ""))
            first = False
            yield self._answer(each)
        await self._end(said, context)


class Front:
    """Listens on a pod's ports and tells protocols apart by a connection's first bytes."""

    def __init__(self, name: str, ears: Ears) -> None:
        self._name = name.encode()
        self._ears = ears
        self.inner = 0  # grpcio's port

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection to its end."""
        with suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(len(PREFACE))
            if first == PREFACE:
                await self._pass_on(first, reader, writer)
            else:
                await self._answer_requests(first, reader, writer)
        writer.close()

    async def _pass_on(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, outside = await asyncio.open_connection("127.0.0.1", self.inner)
        host, port = writer.get_extra_info("peername")[:2]
        own = str(outside.get_extra_info("sockname")[1])
        self._ears.peers[own] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        outside.write(first)
        try:
            await pass_on((reader, writer), (inside, outside))
        finally:
            outside.close()
            del self._ears.peers[own]

    async def _answer_requests(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One after another, until the client closes."""
        while True:
            lines = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            await reader.readexactly(int(headers.get("content-length", "0")))
            self._ears.note("requested", headers.get("probe", ""))
            body = b"" if lines[0].startswith("HEAD ") else self._name
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(self._name), body))
            await writer.drain()
            first = b""


async def main() -> None:
    """Serve until killed."""
    name, diary, *ports = sys.argv[1:]
    ears = Ears(name, Path(diary))
    front = Front(name, ears)
    outer = [
        await asyncio.start_server(front.accepted, ["0.0.0.0", "::"], int(port), start_serving=False)  # noqa: S104 - in a pod
        for port in ports
    ]  # first, as a program of grpcio's that has begun to serve does not end by an error
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", LARGEST), ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((ears,))
    front.inner = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    for each in outer:
        await each.start_serving()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
