"""One client's connection, and the one to its broker: requests are judged one by one, answers come in their order."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from kio.serial.errors import SerialError

from harness.kafka import schema
from harness.kafka.answers import HEAD, narrowed, without_session
from harness.kafka.reading import MOST, Asked, Unreadable, read
from harness.kafka.refusal import SIZE, refuse, unsupported
from harness.kafka.rules import Refusal

AT_ONCE = 64
"""Requests of one connection whose answers are outstanding, before more are read."""

_CHUNK = 1 << 16
_END = None

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Judges:
    """What a relay asks: ``refusal`` of a request, None for none; and tells: ``refused``, before the client hears of it."""

    refusal: Callable[[Asked], Refusal | None]
    refused: Callable[[Asked | Unreadable, Refusal | None], None]


class Relay:
    """``connect`` opens the connection to the broker: at the first request that is allowed, so that others open none."""

    def __init__(self, client: Stream, connect: Callable[[], Awaitable[Stream]], judges: Judges) -> None:
        self._reader, self._writer = client
        self._connect = connect
        self._judges = judges
        self._broker: Stream | None = None
        self._answers: asyncio.Queue[Asked | bytes | None] = asyncio.Queue(AT_ONCE)
        self._size: asyncio.Task[bytes] | None = None  # of the broker's next answer, awaited before it is due
        self._gone = asyncio.Event()

    async def run(self) -> None:
        """Until one side ends. Both connections are closed then."""
        asking, answering = asyncio.create_task(self._ask()), asyncio.create_task(self._answer())
        gone = asyncio.create_task(self._gone.wait())
        try:
            await asyncio.wait((asking, answering, gone), return_when=asyncio.FIRST_COMPLETED)
            if asking.done() and not asking.exception():
                await answering  # what was asked before the client's end is still answered
        except (OSError, EOFError, SerialError):
            pass
        finally:
            tasks = [each for each in (asking, answering, gone, self._size) if each is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for _, writer in (each for each in ((self._reader, self._writer), self._broker) if each is not None):
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _ask(self) -> None:
        while (frame := await self._request()) is not None:
            if not await self._pass_on(frame):
                break
        await self._answers.put(_END)

    async def _request(self) -> bytes | None:
        try:
            size = int.from_bytes(await self._reader.readexactly(SIZE), signed=True)
            if not 0 <= size <= MOST:
                self._judges.refused(Unreadable(f"no request of Kafka's, or one of {size} bytes"), None)
                return None
            return await self._reader.readexactly(size)
        except (EOFError, OSError):  # in the middle of a request, too: nothing of it has gone on
            return None

    async def _pass_on(self, frame: bytes) -> bool:
        """Judge a request and pass it on, or answer it; whether more may come."""
        try:
            asked = read(frame)
        except Unreadable as unreadable:
            self._judges.refused(unreadable, None)
            return await self._instead(unsupported(unreadable))
        refusal = self._judges.refusal(asked)
        if refusal is not None:
            self._judges.refused(asked, refusal)
            return await self._instead(refuse(asked))
        if self._broker is None:
            self._broker = await self._connect()
            self._listen(self._broker[0])
        if asked.answered:
            await self._answers.put(asked)
        _, broker = self._broker
        broker.write(len(frame).to_bytes(SIZE) + frame)
        await broker.drain()
        return True

    async def _instead(self, answer: bytes | None) -> bool:
        if answer is not None:
            await self._answers.put(answer)
        return answer is not None

    async def _answer(self) -> None:
        while (due := await self._answers.get()) is not _END:
            if isinstance(due, bytes):
                self._writer.write(due)
            else:
                await self._broker_answers(due)
            await self._writer.drain()

    def _listen(self, broker: asyncio.StreamReader) -> None:
        """Hear of it when the broker ends the connection while nothing is asked: its client is told then, too."""

        def heard(size: asyncio.Task[bytes]) -> None:
            if size.cancelled() or size.exception() is not None:
                self._gone.set()

        self._size = asyncio.create_task(broker.readexactly(SIZE))
        self._size.add_done_callback(heard)

    async def _broker_answers(self, asked: Asked) -> None:
        assert self._broker is not None  # noqa: S101 - it was asked
        assert self._size is not None  # noqa: S101 - since it was connected to
        reader, _ = self._broker
        await self._answer_of(asked, reader, int.from_bytes(await self._size))
        self._listen(reader)

    async def _answer_of(self, asked: Asked, reader: asyncio.StreamReader, size: int) -> None:
        if asked.key == schema.API_VERSIONS:
            answer = narrowed(asked.version, await reader.readexactly(size))
            self._writer.write(len(answer).to_bytes(SIZE) + answer)
            return
        head = await reader.readexactly(min(size, HEAD))
        left = size - len(head)
        if asked.key == schema.FETCH:
            head = without_session(asked.version, head)
        self._writer.write(size.to_bytes(SIZE) + head)
        while left:
            await self._writer.drain()
            part = await reader.read(min(left, _CHUNK))
            if not part:
                raise EOFError
            left -= len(part)
            self._writer.write(part)
