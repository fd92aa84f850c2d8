"""Shapes that documents must have, as pydantic models, and their errors in the words of this project."""

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from harness.manifests.document import Document, Step, dotted
from harness.manifests.errors import Fault, found, nearest, quoted, suggestion


class Shape(BaseModel):
    """A mapping with exactly these fields; nothing is converted from one type to another."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


AnyShape = TypeVar("AnyShape", bound=Shape)


def unsupported(why: str) -> BeforeValidator:
    """Makes a field known but refused wherever it is written; ``why`` is what to know or to do instead."""

    def refused(value: object) -> object:
        if value is not None:
            raise wrong(f"not supported: {why}")
        return value

    return BeforeValidator(refused)


_WANTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}

_PLAIN = {
    "missing": "missing; write it",
    "too_short": "empty; write at least one",
    "string_too_short": "empty; write something",
}
_COMPARED = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "too_long": ("at most", "max_length"),
}


def wrong(message: str, *at: Step) -> PydanticCustomError:
    """What a validator raises: ``message`` is printed as it is, for what is at ``at`` below the value."""
    return PydanticCustomError("wrong", "{message}", {"message": message, "at": at})


def checked(document: Document, shape: type[AnyShape], faults: list[Fault], path: tuple[Step, ...] = ()) -> AnyShape | None:
    """The value at ``path`` in its shape; None, and faults added, where it does not have it."""
    try:
        return shape.model_validate(document.at(path))
    except ValidationError as errors:
        for error in errors.errors(include_url=False):
            faults.append(_fault(document, path, shape, error))
    return None


def _fault(document: Document, base: tuple[Step, ...], shape: type[Shape], error: ErrorDetails) -> Fault:
    loc = tuple(step for step in error["loc"] if step != "[key]")
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind == "extra_forbidden":
        name = str(loc[-1])
        hint = suggestion(name, fields_at(shape, loc[:-1]))
        where = dotted((*base, *loc[:-1]))
        message = f"unknown field {quoted(name)}{hint}"
        return Fault(document.origin((*base, *loc)), f"{where}: {message}" if where else message)
    if kind == "wrong":
        return document.fault((*base, *loc, *context["at"]), context["message"])
    return document.fault((*base, *loc), _said(kind, context, value, error["msg"]))


def _said(kind: str, context: Mapping[str, Any], value: object, fallback: str) -> str:
    if kind in _WANTED:
        quote = "; quote it" if kind == "string_type" and isinstance(value, bool | int | float) else ""
        return f"want {_WANTED[kind]}, found {found(value)}{quote}"
    if kind in _COMPARED:
        words, bound = _COMPARED[kind]
        return f"want {words} {context[bound]:.12g}, found {len(value) if isinstance(value, list) else found(value)}"
    if kind == "string_too_long" and isinstance(value, str):
        return f"want at most {context['max_length']} characters, found {len(value)}"
    if kind == "literal_error":
        hint = nearest(value, _choices(context)) if isinstance(value, str) else ""
        return f"want {context['expected'].replace(chr(39), '')}, found {found(value)}{hint}"
    return _PLAIN.get(kind, fallback)


def _choices(context: Mapping[str, Any]) -> list[str]:
    return [word.strip(" ',") for word in str(context["expected"]).replace(" or ", ",").split(",")]


def fields_at(shape: type[Shape], path: Sequence[Step]) -> frozenset[str]:
    """The names of the fields of the shape found at ``path`` below ``shape``."""
    here: object = shape
    for step in path:
        here = _below(here, step)
    if isinstance(here, type) and issubclass(here, BaseModel):
        return frozenset(info.alias or name for name, info in here.model_fields.items())
    return frozenset()


def _below(annotation: object, step: Step) -> object:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, info in annotation.model_fields.items():
            if step == (info.alias or name):
                return _unwrapped(info.annotation)
        return None
    arguments = get_args(annotation)
    return _unwrapped(arguments[-1]) if arguments else None


def _unwrapped(annotation: object) -> object:
    """The type inside ``X | None`` and ``Annotated[X, ...]``."""
    if get_origin(annotation) in (Union, UnionType):
        return _unwrapped(next(argument for argument in get_args(annotation) if argument is not type(None)))
    if hasattr(annotation, "__metadata__"):
        return _unwrapped(get_args(annotation)[0])
    return annotation
