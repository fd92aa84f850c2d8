"""The proxy of one node as a program: takes the connections that the node's stack hands it, and is told what to allow.

``python -m harness.kafka.proxy CONTROL RECORDS PORT``: it listens on PORT for connections to any address, and on the Unix
socket CONTROL for what to allow (``protocol``).
"""

import asyncio
import signal
import socket
import sys
from pathlib import Path

from harness.kafka import schema
from harness.kafka.protocol import LONGEST, READY, laws
from harness.kafka.reading import Asked, Unreadable
from harness.kafka.records import POLICY, Records, RefusedRequest
from harness.kafka.relay import Judges, Relay, Stream
from harness.kafka.rules import Law, Refusal

IP_TRANSPARENT = {socket.AF_INET: (socket.SOL_IP, 19), socket.AF_INET6: (socket.IPPROTO_IPV6, 75)}
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_BACKLOG = 1024

Address = tuple[str, int]


class Proxy:
    """What all relays of a node share."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._laws: list[Law] = []

    def judge_by(self, said: bytes) -> None:
        """Judge later requests by the laws in a line."""
        self._laws = [Law(law) for law in laws(said)]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection to its end."""
        client, broker = _addresses(writer)
        judges = Judges(
            lambda asked: self._refusal(client[0], broker, asked),
            lambda asked, refusal: self._records.add(_record(client[0], broker, asked, refusal)),
        )
        await Relay((reader, writer), lambda: _connected(client[0], broker), judges).run()

    def _refusal(self, client: str, broker: Address, asked: Asked) -> Refusal | None:
        found = (law.refusal(client, *broker, asked) for law in self._laws)
        return next((refusal for refusal in found if refusal is not None), None)


def _addresses(writer: asyncio.StreamWriter) -> tuple[Address, Address]:
    peer, own = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
    return (peer[0], peer[1]), (own[0], own[1])


def _record(client: str, broker: Address, asked: Asked | Unreadable, refusal: Refusal | None) -> RefusedRequest:
    if isinstance(asked, Unreadable):
        api = schema.api_name(asked.key) or str(asked.key)
        return RefusedRequest(client, *broker, api, asked.version, (), None, str(asked))
    side, origin = ("", "") if refusal is None else (str(refusal.side), refusal.origin)
    topics = tuple(sorted(asked.topics))
    return RefusedRequest(client, *broker, asked.api, asked.version, topics, asked.client_id, POLICY, side, origin)


async def _connected(client: str, broker: Address) -> Stream:
    """A connection to the broker in the client's name: policies of the next node judge whom they should."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    made = _transparent(family)
    try:
        made.bind((client, 0))
        await asyncio.get_running_loop().sock_connect(made, broker)
    except BaseException:
        made.close()
        raise
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return await asyncio.open_connection(sock=made)


def _transparent(family: socket.AddressFamily) -> socket.socket:
    made = socket.socket(family)
    made.setblocking(False)
    made.setsockopt(*IP_TRANSPARENT[family], 1)
    return made


def _listener(family: socket.AddressFamily, port: int) -> socket.socket:
    made = _transparent(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((LOOPBACK[family], port))
    made.listen(_BACKLOG)
    return made


async def serve(control: Path, records: Path, port: int) -> None:
    """Serve until a signal ends it. Nothing is listened for before the first laws are there."""
    proxy = Proxy(Records(records))
    listeners: list[asyncio.Server] = []

    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            proxy.judge_by(line)
            if not listeners:
                made = [_listener(family, port) for family in IP_TRANSPARENT]
                listeners.extend([await asyncio.start_server(proxy.take, sock=each) for each in made])
            writer.write(b"\n")
            await writer.drain()
        writer.close()

    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with await asyncio.start_unix_server(told, control, limit=LONGEST):
        print(READY, flush=True)
        await ended.wait()


def main() -> None:
    """Run as a program."""
    control, records, port = sys.argv[1:]
    asyncio.run(serve(Path(control), Path(records), int(port)))


if __name__ == "__main__":
    main()
