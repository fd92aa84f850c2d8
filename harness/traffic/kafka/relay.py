"""A program for the inside of a pod: it stands before a broker of Kafka and writes down every byte before it passes it on.

Usage: relay.py DIARY BROKER OTHER PORT... It writes ``serving`` to its output when it takes connections on all ports, over
IPv4 and IPv6. What it reads goes to port BROKER of the loopback, and what that says goes back. A line of JSON each in DIARY:
``connection``, a number, ``by`` (client or server), and ``data`` in hexadecimal.

A request of Kafka begins with its length, whose first byte is 0 where it has less than 16 MiB. What begins otherwise, as a
request of HTTP does, is passed to port OTHER and not written down.
"""

import asyncio
import json
import sys
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TextIO

from harness.traffic.passing import CHUNK, nothing, pass_on


class Relay:
    """Passes connections on."""

    def __init__(self, diary: TextIO, broker: int, other: int) -> None:
        self._diary = diary
        self._broker = broker
        self._other = other
        self._numbers = count(1)

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass a connection on, to its end."""
        with suppress(OSError):
            first = await reader.read(CHUNK)
            if first:
                await self._pass_on(first, reader, writer)
        writer.close()

    async def _pass_on(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kafka = first[0] == 0
        note = partial(self._note, next(self._numbers)) if kafka else nothing
        inside, outside = await asyncio.open_connection("127.0.0.1", self._broker if kafka else self._other)
        note("client", first)
        outside.write(first)
        try:
            await pass_on((reader, writer), (inside, outside), note)
        finally:
            outside.close()

    def _note(self, connection: int, by: str, data: bytes) -> None:
        self._diary.write(json.dumps({"connection": connection, "by": by, "data": data.hex()}) + "\n")


async def main() -> None:
    """Serve until killed."""
    diary, broker, other, *ports = sys.argv[1:]
    with Path(diary).open("a", buffering=1) as written:
        relay = Relay(written, int(broker), int(other))
        any_address = ["0.0.0.0", "::"]  # noqa: S104 - in a pod
        servers = [await asyncio.start_server(relay.accepted, any_address, int(port)) for port in ports]
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        await asyncio.gather(*(each.serve_forever() for each in servers))


if __name__ == "__main__":
    asyncio.run(main())
