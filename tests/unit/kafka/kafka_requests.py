"""Requests of Kafka for hypothesis: of every API and version that exists, as Apache's schemas have them."""

import dataclasses
import datetime
import io
import uuid
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite
from kio.schema.errors import ErrorCode
from kio.schema.index import api_key_map, schema_name_map
from kio.schema.types import TopicName
from kio.serial import entity_writer
from kio.static.primitive import TZAware, i8, i16, i32, i32Timedelta, i64, i64Timedelta, u16

from harness.kafka import schema

VERSIONS = [
    (key, version)
    for key, name in sorted(api_key_map.items())
    for version in sorted(schema_name_map[name])
    if schema.request_of(key, version) is not None
]
READABLE = [each for each in VERSIONS if schema.readable(*each)]
TOPICS = ("orders", "payments", "audit", "")
BITS = {i8: 7, i16: 15, i32: 31, i64: 63, u16: 16}


@composite
def requests(draw: DrawFn, key: int, version: int) -> Any:
    """A request of one API and version, with few topics."""
    return draw(_entity(schema.request_of(key, version)))


def _entity(kind: Any) -> SearchStrategy[Any]:
    return st.builds(kind, **{each.name: _value(each) for each in schema.fields(kind) if not each.spare})


def _value(field: schema.Nested) -> SearchStrategy[Any]:
    one = _one(field.kind, field.name)
    value = st.lists(one, max_size=2).map(tuple) if field.many else one
    return st.none() | value if field.optional else value


def _one(kind: Any, name: str) -> SearchStrategy[Any]:
    if kind in _OF_KIND:
        return _OF_KIND[kind]
    if dataclasses.is_dataclass(kind):
        return _entity(kind)
    if issubclass(kind, float | bytes | str):
        return next(values for each, values in _TEXTS.items() if issubclass(kind, each)).map(kind)
    if name == "resource_type":
        return st.sampled_from((2, 4)).map(kind)
    bits = next(bits for number, bits in BITS.items() if issubclass(kind, number))
    return st.sampled_from((0, 1, 7, (1 << bits) - 1)).map(kind)


_MILLISECONDS = st.integers(0, 1000).map(lambda each: datetime.timedelta(milliseconds=each))
_OF_KIND: dict[Any, SearchStrategy[Any]] = {
    TopicName: st.sampled_from(TOPICS).map(TopicName),
    bool: st.booleans(),
    ErrorCode: st.sampled_from(ErrorCode),
    uuid.UUID: st.uuids(),
    i32Timedelta: _MILLISECONDS.map(i32Timedelta.parse),
    i64Timedelta: _MILLISECONDS.map(i64Timedelta.parse),
    TZAware: st.just(TZAware.parse(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))),
}
_TEXTS: dict[type, SearchStrategy[Any]] = {
    float: st.just(0.5), bytes: st.binary(max_size=8), str: st.text("ab", max_size=3)
}  # fmt: skip


def written(entity: Any, correlation: int = 7, client_id: str | None = "me") -> bytes:
    """A request's frame, without its size."""
    header = entity.__header_schema__
    buffer = io.BytesIO()
    entity_writer(header)(
        buffer,
        header(
            request_api_key=entity.__api_key__,
            request_api_version=entity.__version__,
            correlation_id=i32(correlation),
            client_id=client_id,
        ),
    )
    entity_writer(type(entity))(buffer, entity)
    return buffer.getvalue()
