"""Requests of Kafka's protocol as bytes, by kio, whose classes are generated from Apache's own schemas.

Source: https://kafka.apache.org/protocol.html
"""

import io
import struct
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_type_hints

from kio.index import load_request_schema
from kio.records.schema import NewRecordBatch, Record
from kio.records.writers import write_new_batch
from kio.schema.types import TopicName
from kio.serial import entity_writer
from kio.static.primitive import TZAwareMicros, i8, i16, i32, i64

from harness.model.kafka import API_KEYS, VERSIONS
from harness.model.request import KafkaRequest

LENGTH = struct.Struct(">i")
HEAD = struct.Struct(">ihhi")
"""What every request begins with: the length of what follows, the API's key, its version, and the correlation id."""

GROUP = "readers"


def _records() -> bytes:
    record = Record(
        attributes=i8(0), timestamp=TZAwareMicros.parse(datetime(2026, 1, 1, tzinfo=UTC)), offset=i64(0), key=None,
        value=b"meshproof", headers=(),
    )  # fmt: skip
    batch = NewRecordBatch(
        producer_id=i64(-1), producer_epoch=i16(-1), base_sequence=i32(-1), records=(record,), attributes=i16(0)
    )
    with io.BytesIO() as written:
        write_new_batch(written, batch)
        return written.getvalue()


_VALUES: dict[str, Any] = {
    "acks": 1,
    "records": _records(),
    "max_wait": timedelta(0),
    "partition_max_bytes": 1 << 20,
    "replica_id": -1,  # of a client
    "timestamp": -1,  # the latest
    "group_id": GROUP,
    "key": GROUP,
    "num_partitions": 1,
    "replication_factor": 1,
    "assignments": (),
    "configs": (),
    "forgotten_topics_data": (),
    "allow_auto_topic_creation": False,
}
"""What fields hold, by name, where an empty one would not do."""

_EMPTY: dict[str | None, Any] = {
    "string": "meshproof",
    "bool": False,
    "bytes": b"",
    "timedelta_i32": timedelta(seconds=1),
    "timedelta_i64": timedelta(seconds=1),
}


def encoded(asked: KafkaRequest, correlation: int) -> bytes:
    """The request with its length. One of a version that nobody has published is written as one of the newest is.

    Raises ValueError where Kafka no longer has the API, or so old a version of it.
    """
    key = API_KEYS.index(asked.api)
    schema: Any = load_request_schema(key, known(asked))
    header = schema.__header_schema__(
        request_api_key=key, request_api_version=asked.version, correlation_id=correlation, client_id=asked.client_id
    )
    with io.BytesIO() as written:
        entity_writer(type(header))(written, header)
        entity_writer(schema)(written, _filled(schema, asked.topics))
        said = written.getvalue()
    return LENGTH.pack(len(said)) + said


def known(asked: KafkaRequest) -> int:
    """The version as which a request is written, and its answer read. Raises ValueError."""
    versions = VERSIONS.get(asked.api)
    if versions is None or asked.version < versions.start:
        raise ValueError(f"Kafka has no {asked.api} of version {asked.version}")
    return min(asked.version, versions.stop - 1)


def _filled(schema: Any, topics: Sequence[str]) -> Any:
    hints = get_type_hints(schema)
    return schema(**{each.name: _value(each, hints[each.name], topics) for each in fields(schema)})


def _value(of: Field[Any], hint: Any, topics: Sequence[str]) -> Any:
    if of.name in _VALUES:
        return _VALUES[of.name]
    entries, optional = _entries(hint), type(None) in get_args(hint)
    if entries is not None:
        return _listed(entries, topics) or (None if optional else ())
    if TopicName in (hint, *get_args(hint)):
        return topics[0]
    if of.default is not MISSING:
        return of.default
    return None if optional else _EMPTY.get(of.metadata.get("kafka_type"), 0)


def _listed(entries: Any, topics: Sequence[str]) -> tuple[Any, ...]:
    """A list of topics, or of one of whatever else it is of."""
    if entries is TopicName:
        return tuple(topics)
    if not is_dataclass(entries):
        return (GROUP,) if issubclass(entries, str) else (0,)  # groups, or partitions
    return tuple(_filled(entries, (topic,)) for topic in topics) if _names_topics(entries) else (_filled(entries, topics),)


def _entries(hint: Any) -> Any:
    """The type of a tuple's entries, also of one that may be null; None of what is no tuple."""
    for each in (hint, *get_args(hint)):
        if getattr(each, "__origin__", None) is tuple:
            return get_args(each)[0]
    return None


def _names_topics(schema: Any) -> bool:
    return any(TopicName in (hint, *get_args(hint)) for hint in get_type_hints(schema).values())
