"""Answers of Kafka's protocol by kio, as somebody else than a broker would give them."""

import io
from dataclasses import MISSING, fields, is_dataclass
from datetime import timedelta
from typing import Any, get_args, get_type_hints

from kio.index import load_response_schema
from kio.schema.errors import ErrorCode
from kio.serial import entity_writer

from harness.model.kafka import API_KEYS, KafkaAsk


def answer(asked: KafkaAsk, correlation: int, error: int) -> bytes:
    """An answer, with its length, that says ``error`` of everything that was asked for, and of nothing else."""
    schema: Any = load_response_schema(API_KEYS.index(asked.api), asked.version)
    header = schema.__header_schema__(correlation_id=correlation)
    with io.BytesIO() as written:
        entity_writer(type(header))(written, header)
        entity_writer(schema)(written, _filled(schema, ErrorCode(error)))
        said = written.getvalue()
    return len(said).to_bytes(4, "big") + said


def _filled(schema: Any, error: ErrorCode) -> Any:
    hints = get_type_hints(schema)
    inside = any(_has_errors(hint) for hint in hints.values())
    return schema(**{each.name: _value(each, hints[each.name], error, inside) for each in fields(schema)})


def _entries(hint: Any) -> Any:
    return next((get_args(each)[0] for each in (hint, *get_args(hint)) if getattr(each, "__origin__", None) is tuple), None)


def _has_errors(hint: Any) -> bool:
    entries = _entries(hint)
    return is_dataclass(entries) and any(each is ErrorCode or _has_errors(each) for each in get_type_hints(entries).values())


def _value(of: Any, hint: Any, error: ErrorCode, inside: bool) -> Any:
    if hint is ErrorCode:
        return ErrorCode.none if inside else error
    entries = _entries(hint)
    if entries is not None:
        return (_filled(entries, error),) if _has_errors(hint) else ()
    if of.default is not MISSING:
        return of.default
    if type(None) in get_args(hint):
        return None
    kind = of.metadata.get("kafka_type")
    return {"string": "orders", "bool": False, "timedelta_i32": timedelta(0)}.get(kind, 0)
