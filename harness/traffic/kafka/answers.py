"""Answers of Kafka's protocol, by kio, whose classes are generated from Apache's own schemas."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from kio.index import load_response_schema
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader
from kio.serial.errors import SerialError

from harness.model.kafka import API_KEYS, VERSIONS
from harness.model.request import KafkaRequest
from harness.traffic.kafka.requests import LENGTH, known

ANSWER_HEAD = struct.Struct(">ii")
"""What every answer begins with: the length of what follows, and the request's correlation id."""


class Unreadable(Exception):
    """Bytes that are no answer to the request: why."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says: the error of each thing that was asked for, 0 for none, as far as it has such."""

    errors: tuple[int, ...]

    def __str__(self) -> str:
        return ", ".join(dict.fromkeys(ErrorCode(each).name.upper() for each in self.errors)) or "no errors"


def said(asked: KafkaRequest, answer: bytes) -> Said:
    """What ``answer``, with its length, says to ``asked``. Raises Unreadable where it is none, or not whole.

    Who does not know a version of ApiVersions says so as the oldest does, which every client reads.
    """
    unknown = asked.api == "apiversions" and asked.version not in VERSIONS[asked.api]
    if unknown and ErrorCode(int.from_bytes(answer[ANSWER_HEAD.size :][:2])) is ErrorCode.unsupported_version:
        return Said(tuple(_errors(_read(asked, answer, 0))))
    return Said(tuple(_errors(_read(asked, answer, known(asked)))))


def faithful(asked: KafkaRequest, got: bytes, given: bytes) -> bool:
    """Whether the answer that a client ``got`` is the one that its broker has ``given``, byte for byte but for two things.

    A proxy that judges topics by name may offer fewer versions of APIs than the broker does, and no session of Fetch.
    """
    if got == given or asked.api not in ("apiversions", "fetch"):
        return got == given
    try:
        mine, its = (_read(asked, each, known(asked)) for each in (got, given))
    except Unreadable:
        return False
    if ANSWER_HEAD.unpack_from(got)[1] != ANSWER_HEAD.unpack_from(given)[1]:
        return False
    if asked.api == "fetch":
        return bool(hasattr(its, "session_id") and mine == replace(its, session_id=0))
    offered = {each.api_key: range(each.min_version, each.max_version + 1) for each in its.api_keys}
    fewer = all(
        each.min_version in offered.get(each.api_key, ()) and each.max_version in offered[each.api_key]
        for each in mine.api_keys
    )
    return fewer and replace(mine, api_keys=()) == replace(its, api_keys=())


def _read(asked: KafkaRequest, answer: bytes, version: int) -> Any:
    schema: Any = load_response_schema(API_KEYS.index(asked.api), version)
    try:
        _, size = entity_reader(schema.__header_schema__)(answer, LENGTH.size)
        read, rest = entity_reader(schema)(answer, LENGTH.size + size)
    except (SerialError, ValueError, IndexError) as error:
        raise Unreadable(f"{type(error).__name__} {error}".strip()) from error
    if LENGTH.size + size + rest != len(answer):
        raise Unreadable(f"{len(answer) - LENGTH.size - size - rest} bytes behind it")
    return read


def _errors(read: Any) -> Iterator[int]:
    """The innermost errors: what encloses others says nothing of each."""
    inside = [error for each in fields(read) for error in _within(getattr(read, each.name))]
    if inside:
        yield from inside
    else:
        yield from (int(getattr(read, each.name)) for each in fields(read) if isinstance(getattr(read, each.name), ErrorCode))


def _within(value: Any) -> Iterator[int]:
    for each in value if isinstance(value, tuple) else (value,):
        if is_dataclass(each):
            yield from _errors(each)
