"""A client's connection and its broker's, on the loopback: what is passed on, what is answered, and in which order."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from kafka_requests import written
from kio.index import load_request_schema, load_response_schema
from kio.schema.errors import ErrorCode
from kio.schema.types import TopicName
from kio.serial import entity_reader, entity_writer
from kio.static.primitive import i8, i16, i32, i32Timedelta

from harness.kafka import schema
from harness.kafka.reading import Asked, Unreadable, read
from harness.kafka.relay import Judges, Relay, Stream
from harness.kafka.rules import Refusal, Side

SECONDS = 10.0
REFUSAL = Refusal(Side.INGRESS, "policy.yaml:9")
ZERO = i32Timedelta.parse(timedelta())


@dataclass
class World:
    """A broker that answers what ``answers`` says, a client, and the relay between; requests of ``denied`` are refused."""

    denied: frozenset[str] = frozenset()
    seen: list[bytes] = field(default_factory=list)
    refused: list[tuple[Asked | Unreadable, Refusal | None]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    brokers: int = 0
    ends_after: int = 1 << 30

    def judged(self, asked: Asked) -> Refusal | None:
        return REFUSAL if asked.topics & self.denied else None

    async def broker(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.brokers += 1
        try:
            while len(self.seen) < self.ends_after:
                frame = await reader.readexactly(int.from_bytes(await reader.readexactly(4)))
                self.seen.append(frame)
                asked = read(frame)
                await self.hold.wait()
                if asked.answered:
                    writer.write(framed(answer(asked), asked.correlation))
                    await writer.drain()
        except (EOFError, OSError):
            pass
        writer.close()


def answer(asked: Asked) -> Any:
    kind: Any = load_response_schema(asked.key, asked.version)
    if asked.key == schema.API_VERSIONS:
        listed = next(each for each in schema.fields(kind) if each.is_entity and each.many and not each.spare)
        offered = [(0, 0, 13), (1, 4, 18), (18, 0, 4), (68, 0, 1), (999, 0, 3)]
        keys = tuple(listed.kind(api_key=i16(a), min_version=i16(b), max_version=i16(c)) for a, b, c in offered)
        throttled = {"throttle_time": ZERO} if asked.version else {}
        return kind(error_code=ErrorCode.none, api_keys=keys, **throttled)
    if asked.key == schema.FETCH:
        return kind(throttle_time=ZERO, error_code=ErrorCode.none, session_id=i32(4711), responses=())
    return kind(throttle_time=ZERO, brokers=(), topics=(), cluster_id=f"answer to {asked.correlation}")


def framed(entity: Any, correlation: int) -> bytes:
    written = io.BytesIO()
    header: Any = entity.__header_schema__
    entity_writer(header)(written, header(correlation_id=i32(correlation)))
    entity_writer(type(entity))(written, entity)
    return written.tell().to_bytes(4) + written.getvalue()


def metadata(*topics: str, correlation: int = 7) -> bytes:
    kind: Any = load_request_schema(3, i16(9))
    (each,) = (one.kind for one in schema.fields(kind) if one.is_entity)
    wanted = tuple(each(name=TopicName(name)) for name in topics)
    operations = {"include_cluster_authorized_operations": False, "include_topic_authorized_operations": False}
    return sized(written(kind(topics=wanted, **operations), correlation))


def sized(frame: bytes) -> bytes:
    return len(frame).to_bytes(4) + frame


def run(world: World, talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
    async def go() -> None:
        async with (
            await asyncio.start_server(world.broker, "127.0.0.1") as broker,
            asyncio.timeout(SECONDS),
        ):

            async def connect() -> Stream:
                return await asyncio.open_connection(*broker.sockets[0].getsockname())

            judges = Judges(world.judged, lambda asked, refusal: world.refused.append((asked, refusal)))

            async def relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await Relay((reader, writer), connect, judges).run()

            async with await asyncio.start_server(relayed, "127.0.0.1") as server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                await talk(reader, writer)
                writer.close()
                await writer.wait_closed()

    world.hold.set()
    asyncio.run(go())


async def answered(reader: asyncio.StreamReader, key: int, version: int) -> tuple[int, Any]:
    frame = await reader.readexactly(int.from_bytes(await reader.readexactly(4)))
    kind: Any = load_response_schema(key, i16(version))
    header, read_header = entity_reader(kind.__header_schema__)(frame, 0)
    body, _ = entity_reader(kind)(frame, read_header)
    return int(header.correlation_id), body


def test_requests_are_passed_on_as_they_are_and_refused_ones_are_not() -> None:
    world = World(frozenset({"audit"}))
    allowed, refused = metadata("orders", correlation=1), metadata("orders", "audit", correlation=2)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for said in (allowed, refused, allowed):
            writer.write(said)
            correlation, body = await answered(reader, 3, 9)
            if said is refused:
                assert correlation == 2
                found = {each.name: each.error_code for each in body.topics}
                assert found == dict.fromkeys(("orders", "audit"), ErrorCode.topic_authorization_failed)
            else:
                assert (correlation, body.cluster_id) == (1, "answer to 1")

    run(world, talk)
    assert [sized(frame) for frame in world.seen] == [allowed, allowed]
    assert [(each.topics, why) for each, why in world.refused if isinstance(each, Asked)] == [
        (frozenset(("orders", "audit")), REFUSAL)
    ]


@pytest.mark.parametrize("size", [1, 3, 4, 5, 17, 1000])
def test_how_requests_are_cut_makes_no_difference(size: int) -> None:
    world = World(frozenset({"audit"}))
    said = b"".join(metadata("orders" if each % 3 else "audit", correlation=each) for each in range(9))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for at in range(0, len(said), size):
            writer.write(said[at : at + size])
            await writer.drain()
            await asyncio.sleep(0)
        for each in range(9):
            correlation, body = await answered(reader, 3, 9)
            assert correlation == each, "answers come in the order of their requests"
            assert bool(body.topics) is (each % 3 == 0)

    run(world, talk)
    assert [read(frame).correlation for frame in world.seen] == [1, 2, 4, 5, 7, 8]


def test_a_refusal_waits_for_the_answers_before_it() -> None:
    world = World(frozenset({"audit"}))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        world.hold.clear()
        writer.write(metadata("orders", correlation=1) + metadata("audit", correlation=2))
        while not world.refused:
            await asyncio.sleep(0.001)
        world.hold.set()
        assert [(await answered(reader, 3, 9))[0] for _ in range(2)] == [1, 2]

    run(world, talk)


def test_who_is_only_refused_opens_no_connection_to_the_broker() -> None:
    world = World(frozenset({"audit"}))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(metadata("audit"))
        await answered(reader, 3, 9)

    run(world, talk)
    assert world.brokers == 0


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no request of Kafka's, or one of 1195725856 bytes"),
        (bytes.fromhex("16030100c8"), "no request of Kafka's, or one of 369295616 bytes"),
        (bytes.fromhex("ffffffff"), "no request of Kafka's, or one of -1 bytes"),
        (sized(bytes.fromhex("0001000d00000007ffff")), "version 13 of fetch asks for topics by something else than names"),
        (sized(bytes.fromhex("0001006300000007ffff")), "version 99 of fetch is not known"),
        (sized(b"\0"), "1 bytes, which hold no header"),
        (sized(metadata("orders")[4:] + b"\0"), "version 9 of metadata with 1 bytes too many"),
    ],
)
def test_what_cannot_be_judged_ends_the_connection_and_is_written_down(said: bytes, why: str) -> None:
    world = World()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(metadata("orders", correlation=1) + said)
        assert (await answered(reader, 3, 9))[0] == 1
        assert await reader.read() == b""

    run(world, talk)
    assert len(world.seen) == 1
    assert [str(each) for each, _ in world.refused] == [why]


def test_a_broker_that_ends_an_idle_connection_ends_its_clients() -> None:
    world = World(ends_after=1)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(metadata("orders"))
        await answered(reader, 3, 9)
        assert await reader.read() == b""

    run(world, talk)


def test_half_a_request_goes_nowhere() -> None:
    world = World()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(metadata("orders", correlation=1) + metadata("orders")[:-1])
        writer.write_eof()
        assert (await answered(reader, 3, 9))[0] == 1
        assert await reader.read() == b""

    run(world, talk)
    assert len(world.seen) == 1


@pytest.mark.parametrize("version", range(5))
def test_only_versions_that_can_be_judged_are_offered(version: int) -> None:
    world = World()
    kind: Any = load_request_schema(schema.API_VERSIONS, i16(version))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        named = {"client_software_name": "me", "client_software_version": "1"} if version >= 3 else {}
        writer.write(sized(written(kind(**named))))
        _, body = await answered(reader, schema.API_VERSIONS, version)
        found = {int(each.api_key): (int(each.min_version), int(each.max_version)) for each in body.api_keys}
        assert found == {0: (0, 12), 1: (4, 12), 18: (0, 4)}

    run(world, talk)


@pytest.mark.parametrize("version", range(7, 13))
def test_no_session_outlives_an_answer(version: int) -> None:
    world = World()
    kind: Any = load_request_schema(schema.FETCH, i16(version))
    entity = kind(max_wait=ZERO, min_bytes=i32(1), isolation_level=i8(0), topics=(), forgotten_topics_data=())

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sized(written(entity, 3)))
        correlation, body = await answered(reader, schema.FETCH, version)
        assert (correlation, body.session_id) == (3, 0)

    run(world, talk)


def test_a_producer_that_wants_no_answer_is_ended_when_it_is_refused() -> None:
    world = World(frozenset({"audit"}))

    def produced(topic: str) -> bytes:
        kind: Any = load_request_schema(schema.PRODUCE, i16(9))
        (topics,) = (each.kind for each in schema.fields(kind) if each.is_entity)
        data = (topics(name=TopicName(topic), partition_data=()),)
        return sized(written(kind(acks=i16(0), timeout=ZERO, topic_data=data), 5))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(produced("orders") + metadata("orders", correlation=6) + produced("audit"))
        assert (await answered(reader, 3, 9))[0] == 6
        assert await reader.read() == b""

    run(world, talk)
    assert [read(frame).correlation for frame in world.seen] == [5, 6]
