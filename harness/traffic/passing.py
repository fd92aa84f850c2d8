"""Two connections whose bytes are passed from one to the other, for the inside of a program in a pod."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

CHUNK = 1 << 16
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Note = Callable[[str, bytes], None]
"""Is told who said (client or server) what, before it is passed on."""


def nothing(by: str, data: bytes) -> None:
    """The note of who takes none."""


async def pass_on(client: Ends, server: Ends, note: Note = nothing) -> None:
    """Pass everything on, both ways, until either ends."""
    pumps = [
        asyncio.create_task(_pump(client[0], server[1], "client", note)),
        asyncio.create_task(_pump(server[0], client[1], "server", note)),
    ]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in pumps:
            each.cancel()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, by: str, note: Note) -> None:
    with suppress(OSError):
        while said := await reader.read(CHUNK):
            note(by, said)
            writer.write(said)
            await writer.drain()
