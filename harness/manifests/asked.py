"""Requests as users write them beside a flow: ``http``, ``grpc`` or ``kafka``."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from harness.manifests.errors import found, quoted, suggestion
from harness.manifests.gateway_fields import HeaderName
from harness.manifests.shape import Shape, wrong
from harness.model.kafka import API_KEYS
from harness.model.request import GRPCRequest, HTTPRequest, KafkaRequest, Request

_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
_GRPC_METHOD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*/[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9_])?)(:[0-9]{1,5})?")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


def _method(text: str) -> str:
    if not _METHOD.fullmatch(text):
        raise wrong(f"want a method such as GET, found {quoted(text)}")
    return text


def _target(text: str) -> str:
    if not text.startswith("/"):
        raise wrong(f"want a path that begins with /, found {quoted(text)}")
    if any(not "!" <= each <= "~" or each == "#" for each in text):
        raise wrong(f"want a path of visible ASCII characters without #, found {quoted(text)}")
    return text


def _host(text: str) -> str:
    if len(text) > 255 or not _HOST.fullmatch(text):
        raise wrong(f"want a host such as shop.example.com or shop:8080, found {quoted(text)}")
    return text


def _call(text: str) -> str:
    if not _GRPC_METHOD.fullmatch(text):
        raise wrong(f"want package.Service/Method, found {quoted(text)}")
    return text


def _value(text: str) -> str:
    if not _VALUE.fullmatch(text) or text != text.strip():
        raise wrong(f"want a value without control characters, or spaces at its ends, found {quoted(text)}")
    return text


def _values(value: object) -> tuple[str, ...]:
    texts: list[Any] = value if isinstance(value, list) else [value]
    if not texts:
        raise wrong("empty; write a value, or leave the header out")
    for each in texts:
        if not isinstance(each, str):
            raise wrong(f"want a string or a list of strings, found {found(each)}; quote it")
    return tuple(_value(each) for each in texts)


def _name(text: str) -> str:
    if text.lower() == "host":
        raise wrong("not a header here; write it as host, beside headers")
    return text


def api_name(text: str) -> str:
    """``text``, in any case, which names an API key of Kafka's."""
    if text and text.lower() not in API_KEYS:
        raise wrong(f"no API of Kafka is called {quoted(text)}{suggestion(text, API_KEYS)}")
    return text


_Values = Annotated[
    tuple[str, ...],
    BeforeValidator(_values),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Headers = dict[Annotated[HeaderName, AfterValidator(_name)], _Values]
_Host = Annotated[str, AfterValidator(_host)]


class HTTPShape(Shape):
    """A request of HTTP."""

    method: Annotated[str, AfterValidator(_method)] = "GET"
    path: Annotated[str, AfterValidator(_target), Field(description="The request target, with its query.")] = "/"
    host: _Host | None = Field(
        default=None, description="The Host header; the name in the cluster of what is asked if left out."
    )
    headers: Headers = Field(default={}, description="A header's value, or a list of values.")

    def value(self) -> HTTPRequest:
        """The request, as the model holds it."""
        return HTTPRequest(self.method, self.path, self.host, pairs(self.headers))


class GRPCShape(Shape):
    """A call of gRPC."""

    method: Annotated[str, AfterValidator(_call), Field(description="package.Service/Method.")]
    host: _Host | None = Field(
        default=None, description="The :authority; the name in the cluster of what is asked if left out."
    )
    headers: Headers = Field(default={}, description="Metadata: a value, or a list of values.")

    def value(self) -> GRPCRequest:
        """The call, as the model holds it."""
        return GRPCRequest(self.method, self.host, pairs(self.headers))


def pairs(headers: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, str], ...]:
    """A pair a value, as the model holds headers."""
    return tuple((name, value) for name, values in headers.items() for value in values)


class KafkaShape(Shape):
    """A request of Kafka's protocol."""

    api: Annotated[str, AfterValidator(api_name)] = Field(description="The API's name, such as produce, in any case.")
    version: Annotated[int, Field(ge=0, le=32767)] = Field(default=0, description="The version of the API.")
    topic: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="The topic that it names, or a list of them."
    )
    client_id: str | None = Field(default=None, alias="client_id")

    def value(self) -> KafkaRequest:
        """The request, as the model holds it."""
        topics = () if self.topic is None else (self.topic,) if isinstance(self.topic, str) else tuple(self.topic)
        return KafkaRequest(self.api.lower(), self.version, topics, self.client_id)


class RequestFields(Shape):
    """The fields of a flow that say what is asked over it; one of them at most."""

    http: HTTPShape | None = None
    grpc: GRPCShape | None = None
    kafka: KafkaShape | None = None

    @property
    def request(self) -> Request | None:
        """What is asked; None where only the connection is asked about."""
        asked = self.http or self.grpc or self.kafka
        return None if asked is None else asked.value()
