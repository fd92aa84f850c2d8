"""A request as it comes over a connection, and which topics it asks for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kio.schema.types import TopicName
from kio.serial import entity_reader
from kio.serial.errors import SerialError

from harness.kafka import schema

MOST = 100 << 20
"""Bytes of a request: what brokers take by default (socket.request.max.bytes)."""

_FIXED = 8  # bytes of every header: key, version, correlation id


class Unreadable(Exception):
    """What came is no request that can be judged. ``answerable``: the client is told so, as brokers do, and may go on."""

    def __init__(self, why: str, *, key: int = -1, version: int = -1, correlation: int = 0, answerable: bool = False) -> None:
        super().__init__(why)
        self.key = key
        self.version = version
        self.correlation = correlation
        self.answerable = answerable


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. ``topics`` are all that it names; ``names_topics``: whether it has a place for them.

    ``entity`` is all of it, as kio has it.
    """

    key: int
    version: int
    correlation: int
    client_id: str | None
    topics: frozenset[str]
    names_topics: bool
    entity: Any

    @property
    def api(self) -> str:
        """What policies call it."""
        return schema.api_name(self.key) or str(self.key)

    @property
    def answered(self) -> bool:
        """Whether a response comes: none does where a producer wants no acknowledgement."""
        return not (self.key == schema.PRODUCE and self.entity.acks == 0)


def read(frame: bytes) -> Asked:
    """The request in ``frame``, without its size. Raises Unreadable: what cannot be judged is not passed on."""
    if len(frame) < _FIXED:
        raise Unreadable(f"{len(frame)} bytes, which hold no header")
    key, version, correlation = (
        int.from_bytes(frame[:2], signed=True),
        int.from_bytes(frame[2:4], signed=True),
        int.from_bytes(frame[4:8], signed=True),
    )
    name = schema.api_name(key)
    if name is None or not schema.readable(key, version):
        what = f"API {key}" if name is None else f"version {version} of {name}"
        known = name is not None and schema.request_of(key, version) is not None
        why = f"{what} asks for topics by something else than names" if known else f"{what} is not known"
        answerable = key == schema.API_VERSIONS
        raise Unreadable(why, key=key, version=version, correlation=correlation, answerable=answerable)
    kind = schema.request_of(key, version)
    try:
        header, read_header = entity_reader(kind.__header_schema__)(frame, 0)
        entity, read_body = entity_reader(kind)(frame, read_header)
    except (SerialError, ValueError, OverflowError) as error:
        why = f"version {version} of {name} that cannot be read: {error!r}"
        raise Unreadable(why, key=key, version=version, correlation=correlation) from None
    if read_header + read_body != len(frame):
        why = f"version {version} of {name} with {len(frame) - read_header - read_body} bytes too many"
        raise Unreadable(why, key=key, version=version, correlation=correlation)
    named = list(_topics(entity))
    if None in named:
        raise Unreadable(f"version {version} of {name} asks for a topic by its id", key=key, version=version)
    topics = frozenset(str(topic) for topic in named)
    places = schema.can_name_topics(key, version) or bool(topics)
    return Asked(key, version, correlation, header.client_id, topics, places, entity)


def _topics(entity: Any) -> Iterator[str | None]:
    """All names of topics in a structure; None for one that has an id instead."""
    own = schema.fields_of(entity)
    for field in own:
        value = getattr(entity, field.name)
        if field.kind is TopicName:
            values = value if field.many else (value,)
            yield from () if values is None else values
        elif field.is_entity and value is not None:
            for each in value if field.many else (value,):
                yield from _topics(each)
    if {"resource_type", "resource_name"} <= {field.name for field in own} and entity.resource_type == schema.TOPIC_RESOURCE:
        yield entity.resource_name
