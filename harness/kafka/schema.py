"""What Apache's schemas say of the requests that exist: by number and version, and where they name topics.

Source: https://kafka.apache.org/protocol.html, by way of kio, which is generated from the schemas of Apache Kafka itself.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from kio.index import load_request_schema, load_response_schema
from kio.schema.index import api_key_map, schema_name_map
from kio.schema.types import TopicName
from kio.static.constants import EntityType

API_VERSIONS = 18
FETCH = 1
METADATA = 3
PRODUCE = 0

# Policies have names of their own for some: https://docs.cilium.io/en/stable/security/policy/language/#kafka-beta
_NAMES = {"list_offsets": "offsets"}

TOPIC_RESOURCE = 2  # a resource_type of configurations


@dataclass(frozen=True, slots=True)
class Nested:
    """A field that holds a value, or a list, of one type: ``kind`` is the type of what is held.

    ``spare``: it is written only where it is not what it usually is.
    """

    name: str
    kind: Any
    many: bool
    optional: bool
    spare: bool

    @property
    def is_entity(self) -> bool:
        """Whether it holds structures with fields of their own."""
        return is_structure(self.kind)


def is_structure(value: Any) -> bool:
    """Whether a type, or a value, has fields of its own."""
    return dataclasses.is_dataclass(value)


def fields_of(entity: Any) -> tuple[Nested, ...]:
    """The fields of what is no type but a value of one; none where it is no structure."""
    kind: Any = type(entity)
    return fields(kind) if is_structure(entity) else ()


@cache
def fields(entity: Any) -> tuple[Nested, ...]:
    """The fields of a type of structures, in the order of the wire."""
    hints = get_type_hints(entity)
    return tuple(_nested(each, hints[each.name]) for each in dataclasses.fields(entity))


def _nested(field: "dataclasses.Field[Any]", hint: Any) -> Nested:
    spare = "tag" in field.metadata and field.default is not dataclasses.MISSING
    kind, optional = _without_none(hint)
    many = get_origin(kind) is tuple
    held, _ = _without_none(get_args(kind)[0]) if many else (kind, False)
    return Nested(field.name, held, many, optional, spare)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    (kind,) = (each for each in get_args(hint) if each is not type(None))
    return kind, True


def api_name(key: int) -> str | None:
    """What policies call an API, None for one that does not exist."""
    known = api_key_map.get(key)
    return None if known is None else _NAMES.get(known, known.replace("_", ""))


@cache
def request_of(key: int, version: int) -> Any:
    """The request's type, None where there is no such version."""
    return load_request_schema(key, version) if _exists(key, version, EntityType.request) else None


@cache
def response_of(key: int, version: int) -> Any:
    """The type of its response, None where there is no such version."""
    return load_response_schema(key, version) if _exists(key, version, EntityType.response) else None


def _exists(key: int, version: int, kind: Any) -> bool:
    return kind in schema_name_map.get(api_key_map.get(key, ""), {}).get(version, {})


@cache
def readable(key: int, version: int) -> bool:
    """Whether all the topics that such a request asks for can be told from the request alone.

    They cannot where it names them by ids, which only a broker knows the names of, by an expression, or in another request.
    """
    entity = request_of(key, version)
    return entity is not None and not any(_hides_topics(each) for each in _structures(entity))


def _hides_topics(entity: Any) -> bool:
    named = {each.name for each in fields(entity)}
    by_name = any(each.kind is TopicName for each in fields(entity))
    return ("topic_id" in named and not by_name) or any("regex" in each or each == "request_data" for each in named)


@cache
def can_name_topics(key: int, version: int) -> bool:
    """Whether such a request has a place for names of topics."""
    entity = request_of(key, version)
    return entity is not None and any(each.kind is TopicName for one in _structures(entity) for each in fields(one))


def _structures(entity: Any) -> Iterator[Any]:
    yield entity
    for each in fields(entity):
        if each.is_entity:
            yield from _structures(each.kind)


def newest(key: int) -> int | None:
    """The newest version of an API that is ``readable``."""
    versions = schema_name_map.get(api_key_map.get(key, ""), {})
    return max((version for version in versions if readable(key, version)), default=None)
