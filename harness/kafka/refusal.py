"""What a client is answered in a broker's place: the protocol's own errors.

Source: https://kafka.apache.org/protocol.html#protocol_error_codes
"""

import datetime
import io
from collections.abc import Iterator
from typing import Any

from kio.schema.errors import ErrorCode
from kio.schema.types import BrokerId, GroupId, TopicName, TransactionalId
from kio.serial import entity_writer
from kio.static.primitive import Records, TZAware, i32Timedelta, i64Timedelta

from harness.kafka import schema
from harness.kafka.reading import Asked, Unreadable

SIZE = 4  # bytes of a frame's size
_NUMBERS = ("partition", "partition_index", "index")
_NAMED = {TopicName: "topic", GroupId: "group", TransactionalId: "transaction"}
_FIELDS = {**dict.fromkeys(_NUMBERS, "partition"), "key": "key", "resource_name": "resource"}
_REPEATED = ("resource_type", "resource_name")
_FORGOTTEN = "forgotten_topics_data"  # of a fetch session: no answer speaks of them


def refuse(asked: Asked) -> bytes | None:
    """The frame that answers a refused request: an authorization error for all that it names.

    None where no answer can say so: then the connection is ended, as brokers do. Of a request for all topics, none is shown.
    """
    kind = schema.response_of(asked.key, asked.version)
    if kind is None or not asked.answered:
        return None
    body = _mirrored(kind, asked.entity, _named(asked))
    return _framed(asked.correlation, kind, body) if asked.key == schema.METADATA or any(errors(body)) else None


def unsupported(unreadable: Unreadable) -> bytes | None:
    """The frame that answers a question for versions in a version that is not known, so that it is asked in an older one."""
    if not unreadable.answerable:
        return None
    kind = schema.response_of(schema.API_VERSIONS, 0)
    (listed,) = (each for each in schema.fields(kind) if each.is_entity)
    newest = schema.newest(schema.API_VERSIONS) or 0
    known = listed.kind(api_key=schema.API_VERSIONS, min_version=0, max_version=newest)
    body = kind(**{"error_code": ErrorCode.unsupported_version, listed.name: (known,)})
    return _framed(unreadable.correlation, kind, body)


def _named(asked: Asked) -> ErrorCode:
    if asked.names_topics:
        return ErrorCode.topic_authorization_failed
    of_groups = any(each.kind is GroupId for each in schema.fields_of(asked.entity))
    return ErrorCode.group_authorization_failed if of_groups else ErrorCode.cluster_authorization_failed


def errors(entity: Any) -> Iterator[ErrorCode]:
    """All that an answer says by the errors in it, also that there is none."""
    for field in schema.fields_of(entity):
        value = getattr(entity, field.name)
        if field.kind is ErrorCode:
            yield value
        elif field.is_entity and value is not None and not field.spare:
            for each in value if field.many else (value,):
                yield from errors(each)


def _mirrored(kind: Any, asked: Any, code: ErrorCode) -> Any:
    """A structure of an answer: names and numbers as in ``asked``, the error wherever there is a place for one."""
    values: dict[str, Any] = {}
    for field in schema.fields(kind):
        if field.spare:
            continue
        if field.kind is ErrorCode:
            values[field.name] = code
        elif field.many and field.is_entity:
            values[field.name] = tuple(_mirrored(field.kind, each, code) for each in _like(field.kind, asked))
        else:
            values[field.name] = _same(field, asked)
    return kind(**values)


def _like(kind: Any, asked: Any) -> Iterator[Any]:
    """What of a request an answer's structures of ``kind`` are about: topics, partitions, groups or transactions of its."""
    for field in schema.fields_of(asked):
        held = getattr(asked, field.name)
        if not field.many or held is None or field.name == _FORGOTTEN:
            continue
        if _about(kind) is not None and _about(field.kind) == _about(kind):
            yield from held
            return


def _about(kind: Any) -> str | None:
    """What a structure, or a value, stands for."""
    if kind in _NAMED or kind is str:
        return _NAMED.get(kind, "key")
    if not schema.is_structure(kind):
        return "partition" if isinstance(kind, type) and issubclass(kind, int) and not issubclass(kind, BrokerId) else None
    own = [each for each in schema.fields(kind) if not each.many]
    named = [name for wanted, name in _NAMED.items() if any(each.kind is wanted for each in own)]
    named += [name for field, name in _FIELDS.items() if any(each.name == field for each in own)]
    return named[0] if named else None


def _same(field: schema.Nested, asked: Any) -> Any:
    """What an answer says beside errors: what it repeats of the request, else nothing."""
    numbered = field.name in _NUMBERS
    if not schema.is_structure(asked) and asked is not None and (field.kind in _NAMED or field.name in _FIELDS):
        return asked  # a list of names, or of numbers, has the values themselves
    for each in schema.fields_of(asked):
        same = each.kind is field.kind and (field.kind in _NAMED or (each.name == field.name and field.name in _REPEATED))
        if not (each.many or field.many) and (same or (numbered and each.name in _NUMBERS)):
            return getattr(asked, each.name)
    return _nothing(field)


_EMPTY: dict[Any, Any] = {
    bool: False,
    i32Timedelta: i32Timedelta.parse(datetime.timedelta()),
    i64Timedelta: i64Timedelta.parse(datetime.timedelta()),
    TZAware: TZAware.parse(datetime.datetime.fromtimestamp(0, datetime.UTC)),
}


def _nothing(field: schema.Nested) -> Any:
    if field.kind is Records:  # brokers never send null here: librdkafka would ask again and again, and tell nobody
        return Records(b"")
    if field.many or field.optional:
        return () if field.many else None
    if field.is_entity:
        return _mirrored(field.kind, None, ErrorCode.none)
    if field.kind in _EMPTY:
        return _EMPTY[field.kind]
    if issubclass(field.kind, str | bytes):
        return field.kind("" if issubclass(field.kind, str) else b"")
    return field.kind(-1)


def _framed(correlation: int, kind: Any, body: Any) -> bytes:
    header = kind.__header_schema__
    written = io.BytesIO()
    entity_writer(header)(written, header(correlation_id=correlation))
    entity_writer(kind)(written, body)
    return written.tell().to_bytes(SIZE) + written.getvalue()
