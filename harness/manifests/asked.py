"""Requests as users write them beside a flow: ``http``, ``grpc`` or ``kafka``."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from harness.manifests.errors import quoted, suggestion
from harness.manifests.shape import Shape, wrong
from harness.model.request import GRPCRequest, HTTPRequest, KafkaRequest, Request

# RFC 9110, section 5.6.2
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"/[!-\"$-~]*")  # visible ASCII; a client keeps the fragment, which # begins, to itself
_GRPC = re.compile(r"[A-Za-z_][\w.]*/[A-Za-z_]\w*", re.ASCII)

# https://kafka.apache.org/protocol.html#protocol_api_keys, those that policies can name
API_KEYS = (
    "produce", "fetch", "offsets", "metadata", "leaderandisr", "stopreplica", "updatemetadata", "controlledshutdown",
    "offsetcommit", "offsetfetch", "findcoordinator", "joingroup", "heartbeat", "leavegroup", "syncgroup", "describegroups",
    "listgroups", "saslhandshake", "apiversions", "createtopics", "deletetopics", "deleterecords", "initproducerid",
    "offsetforleaderepoch", "addpartitionstotxn", "addoffsetstotxn", "endtxn", "writetxnmarkers", "txnoffsetcommit",
    "describeacls", "createacls", "deleteacls", "describeconfigs", "alterconfigs",
)  # fmt: skip


def _method(text: str) -> str:
    if not TOKEN.fullmatch(text):
        raise wrong(f"want a method of HTTP, found {quoted(text)}")
    return text


def _target(text: str) -> str:
    if not _TARGET.fullmatch(text):
        raise wrong(f"want a path that begins with / and is of visible ASCII without #, found {quoted(text)}")
    return text


def header_name(text: str) -> str:
    """``text``, which names a header of HTTP."""
    if not TOKEN.fullmatch(text):
        raise wrong(f"want the name of a header, found {quoted(text)}")
    return text


def header_value(text: str) -> str:
    """``text``, which a header of HTTP can hold: no control characters, no space at its ends (RFC 9110, section 5.5)."""
    if any(ord(each) < 0x20 or ord(each) == 0x7F for each in text) or text != text.strip(" "):
        raise wrong(f"want a header's value, without control characters and spaces at its ends, found {quoted(text)}")
    return text


def _grpc_method(text: str) -> str:
    if not _GRPC.fullmatch(text):
        raise wrong(f"want package.Service/Method, found {quoted(text)}")
    return text


def api_name(text: str) -> str:
    """``text``, in any case, which names an API key of Kafka's."""
    if text and text.lower() not in API_KEYS:
        raise wrong(f"no API of Kafka is called {quoted(text)}{suggestion(text, API_KEYS)}")
    return text


def _header_values(written: str | list[str]) -> str | list[str]:
    if not written and isinstance(written, list):
        raise wrong("empty; write a value, or leave the header out")
    for each in [written] if isinstance(written, str) else written:
        header_value(each)
    return written


HeaderName = Annotated[str, AfterValidator(header_name)]
HeaderValues = Annotated[str | list[str], AfterValidator(_header_values)]


class HTTPShape(Shape):
    """A request of HTTP/1.1."""

    method: Annotated[str, AfterValidator(_method)] = "GET"
    path: Annotated[str, AfterValidator(_target)] = Field(default="/", description="The path, with its query.")
    host: Annotated[str, Field(min_length=1), AfterValidator(header_value)] | None = Field(
        default=None, description="What Host says; the pod's NAME.NAMESPACE, or the address, if left out."
    )
    headers: dict[HeaderName, HeaderValues] = Field(
        default={}, description="Names and values; a list of values is the header so many times."
    )

    def value(self) -> HTTPRequest:
        """The request, as the model holds it."""
        headers = [
            (name, each)
            for name, written in self.headers.items()
            for each in ([written] if isinstance(written, str) else written)
        ]
        return HTTPRequest(self.method, self.path, self.host, tuple(headers))


class GRPCShape(Shape):
    """A call of gRPC."""

    method: Annotated[str, AfterValidator(_grpc_method)] = Field(description="package.Service/Method")

    def value(self) -> GRPCRequest:
        """The call, as the model holds it."""
        return GRPCRequest(self.method)


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
