"""A request as its routing sees it: what is matched, and what filters change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.model.request import GRPCRequest, HTTPRequest
from harness.model.route import HeaderChanges, HTTPHeader
from harness.model.routing import Call

_GRPC = "application/grpc"
_DOMAIN = "svc.cluster.local"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A request. ``path`` is without its ``query``, which begins with ``?`` or is empty; ``headers`` are without Host."""

    method: str
    path: str
    query: str
    host: str
    headers: Headers
    grpc: bool

    @property
    def target(self) -> str:
        """Path and query, as they are sent."""
        return self.path + self.query

    @property
    def hostname(self) -> str:
        """The host without its port, in lower case."""
        if self.host.startswith("["):
            return self.host.partition("]")[0].removeprefix("[").lower()
        return self.host.partition(":")[0].lower()

    @property
    def call(self) -> tuple[str, str]:
        """Service and method of gRPC."""
        service, _, method = self.path.removeprefix("/").rpartition("/")
        return service, method

    def header(self, name: str) -> str | None:
        """The header's values in their order, joined by commas (RFC 9110, section 5.2); None where it is not sent."""
        if name.lower() == "host":
            return self.host
        values = [value for sent, value in self.headers if sent.lower() == name.lower()]
        return ",".join(values) if values else None

    def parameter(self, name: str) -> str | None:
        """The first value of a parameter of the query, as sent; None where it is not sent."""
        for pair in self.query.removeprefix("?").split("&"):
            sent, _, value = pair.partition("=")
            if sent == name:
                return value
        return None


def message(call: Call) -> Message:
    """The request of a call, with what it leaves out: the host that a client would send."""
    request = call.request
    host = _host(call) if request.host is None else request.host
    if isinstance(request, GRPCRequest):
        headers = request.headers
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers = (("content-type", _GRPC), *headers)
        return Message("POST", f"/{request.method}", "", host, headers, grpc=True)
    path, mark, query = request.path.partition("?")
    return Message(request.method, path, mark + query, host, request.headers, grpc=_is_grpc(request))


def _is_grpc(request: HTTPRequest) -> bool:
    """A POST of ``application/grpc``, ``application/grpc+proto``, …"""
    kinds = [value.split(";")[0].strip().lower() for name, value in request.headers if name.lower() == "content-type"]
    return request.method == "POST" and any(each == _GRPC or each.startswith(f"{_GRPC}+") for each in kinds)


def _host(call: Call) -> str:
    """A Service's name in the cluster's DNS; a Gateway has none."""
    if call.to_gateway:
        return ""
    namespace, _, name = call.destination.partition("/")
    port = "" if call.port == 80 else f":{call.port}"
    return f"{name}.{namespace}.{_DOMAIN}{port}"


def changed(headers: Headers, changes: HeaderChanges) -> Headers:
    """The headers after a filter. Of entries with equivalent names in one list the first counts."""
    for each in _first_of_each(changes.set or ()):
        headers = _set(headers, each)
    for each in _first_of_each(changes.add or ()):
        headers = (*headers, (each.name, each.value))
    gone = {name.lower() for name in changes.remove or ()}
    return tuple((name, value) for name, value in headers if name.lower() not in gone)


def modified(request: Message, changes: HeaderChanges) -> Message:
    """The request after a filter of its headers; a filter may also set or add to Host."""
    with_host = changed((("Host", request.host), *request.headers), changes)
    host = next((value for name, value in with_host if name.lower() == "host"), "")
    return replace(request, host=host, headers=tuple(each for each in with_host if each[0].lower() != "host"))


def joined(headers: Headers) -> Mapping[str, str]:
    """Headers by their names, spelled as they first are; those of one name are joined by commas."""
    spelled: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(spelled.setdefault(name.lower(), name), []).append(value)
    return {name: ",".join(each) for name, each in values.items()}


def _first_of_each(headers: Sequence[HTTPHeader]) -> Iterator[HTTPHeader]:
    seen: set[str] = set()
    for each in headers:
        if each.name.lower() not in seen:
            yield each
        seen.add(each.name.lower())


def _set(headers: Headers, new: HTTPHeader) -> Headers:
    """One header of that name: where the first one stood, spelled as that is, or else last."""
    kept: list[tuple[str, str]] = []
    done = False
    for name, value in headers:
        if name.lower() != new.name.lower():
            kept.append((name, value))
        elif not done:
            kept.append((name, new.value))
            done = True
    return tuple(kept) if done else (*kept, (new.name, new.value))
