"""Answers of brokers that are changed on their way, so that clients only ask what can be judged."""

import dataclasses
import io
from typing import Any

from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer
from kio.serial.errors import DecodeError

from harness.kafka import schema

HEAD = 64
"""Bytes of a frame's beginning that ``without_session`` looks at, at most."""

_SESSIONS_SINCE, _FLEXIBLE_SINCE = 7, 12  # versions of Fetch


def narrowed(version: int, frame: bytes) -> bytes:
    """An answer to a question for versions, with none that could not be judged. Raises SerialError.

    Clients then name topics instead of giving their ids (KIP-516). An error is passed on as it is: that a version is not
    supported is said in the oldest form.
    """
    if int.from_bytes(frame[4:6]) != ErrorCode.none.value:
        return frame
    kind = schema.response_of(schema.API_VERSIONS, version)
    header, read = entity_reader(kind.__header_schema__)(frame, 0)
    body, _ = entity_reader(kind)(frame, read)
    (listed,) = (each for each in schema.fields(kind) if each.is_entity and each.many and not each.spare)
    kept = tuple(each for each in map(_narrowed, getattr(body, listed.name)) if each is not None)
    changed = io.BytesIO()
    entity_writer(kind.__header_schema__)(changed, header)
    entity_writer(kind)(changed, dataclasses.replace(body, **{listed.name: kept}))
    return changed.getvalue()


def _narrowed(listed: Any) -> Any:
    newest = schema.newest(listed.api_key)
    if newest is None or newest < listed.min_version:
        return None
    return dataclasses.replace(listed, max_version=type(listed.max_version)(min(listed.max_version, newest)))


def without_session(version: int, head: bytes) -> bytes:
    """The beginning of an answer to Fetch with no session (KIP-227), so that each later request names its topics.

    Raises SerialError. A session's requests name only what has changed: nobody could judge them by themselves, and what
    policies have come to say since would be passed over.
    """
    if version < _SESSIONS_SINCE:
        return head
    at = 4 + 4 + 2  # correlation id, throttle time, error code
    if version >= _FLEXIBLE_SINCE:
        if head[4:5] != b"\0":  # tagged fields of a header, of which there are none yet
            raise DecodeError("tagged fields in the header of an answer to Fetch")
        at += 1
    return head[:at] + bytes(4) + head[at + 4 :]
