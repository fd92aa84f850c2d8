"""The classes of requests that conformance cases ask: by what in them could be read in more than one way."""

import re
from collections.abc import Iterator, Sequence

from harness.model.call import GRPCCall
from harness.model.exchange import Sends
from harness.model.kafka import KafkaAsk
from harness.model.request import GRPCRequest, HTTPRequest, KafkaRequest, Request

_COMMON = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
_PATHS = {
    "dot segments": r"/\.{1,2}(/|$)",
    "escaped dots": r"(?i)%2e",
    "an escaped letter": r"(?i)%[46][1-9a-f]|%[57][0-9a]",
    "an escaped slash": r"(?i)%(2f|5c)",
    "another escape": r"(?i)%(?!2e|2f|5c|[46][1-9a-f]|[57][0-9a])",
    "double slashes": r"//",
    "a backslash": r"\\\\",
}


def request_class(request: Request) -> str:
    """What ``request`` is, and what in it could be misread."""
    if isinstance(request, GRPCCall):
        traits = " and ".join(_of_call(request))
        return f"gRPC {request.kind}" + (f" with {traits}" if traits else "")
    if isinstance(request, GRPCRequest):
        return "gRPC"
    if isinstance(request, KafkaRequest):
        return ", ".join([f"Kafka {request.api} v{request.version}", *_of_kafka(request)])
    traits = " and ".join(_traits(request))
    return f"HTTP {_method(request.method)}" + (f" with {traits}" if traits else "")


def _method(written: str) -> str:
    if written in _COMMON:
        return written
    return "a common method in other case" if written.upper() in _COMMON else "an uncommon method"


def _traits(request: HTTPRequest) -> Iterator[str]:
    path, query, _ = request.path.partition("?")
    yield from (name for name, pattern in _PATHS.items() if re.search(pattern, path))
    if query:
        yield "a query"
    if request.host is not None:
        yield "a port in its host" if re.search(r":[0-9]+$", request.host) else "a host of its own"
    yield from _of_headers(request.headers)


def _of_call(request: GRPCCall) -> Iterator[str]:
    if request.size:
        yield "large messages"
    if request.answer != "OK":
        yield "an error of the server"
    if request.shared:
        yield "others over its connection"
    if request.host is not None:
        yield "an authority of its own"
    yield from _of_headers(request.headers)


def _of_kafka(request: KafkaRequest) -> Iterator[str]:
    yield ("no topic", "one topic", "topics")[min(len(request.topics), 2)]
    if len(set(request.topics)) < len(request.topics):
        yield "one of them twice"
    if request.client_id is not None:
        yield "a client id"
    if isinstance(request, KafkaAsk):
        if request.sends is not Sends.WHOLE:
            yield str(request.sends) if isinstance(request.sends, Sends) else "in pieces"
        if request.shared:
            yield "others over its connection"


def _of_headers(headers: Sequence[tuple[str, str]]) -> Iterator[str]:
    names = [name.lower() for name, _ in headers]
    if len(set(names)) < len(names):
        yield "a header twice"
    elif names:
        yield "headers"
