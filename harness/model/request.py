"""Requests of application protocols (L7), as a client means them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """A request of HTTP. ``path`` is the request target as sent, with its query; ``host`` None means the destination's name.

    ``headers`` are in their order, names as written; the same name may come more than once.
    """

    method: str = "GET"
    path: str = "/"
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class GRPCRequest:
    """A call of gRPC; ``method`` is ``package.Service/Method``. On the wire it is a POST of HTTP/2 to ``/`` and that.

    ``host`` (the ``:authority``) and ``headers`` (metadata) as of a request of HTTP.
    """

    method: str
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"gRPC {self.method}"


@dataclass(frozen=True, slots=True)
class KafkaRequest:
    """A request of Kafka's protocol: ``api`` is the name of its key, as ``produce``; ``topics`` all those that it names.

    Source: https://kafka.apache.org/protocol.html
    """

    api: str
    version: int = 0
    topics: tuple[str, ...] = ()
    client_id: str | None = None

    def __str__(self) -> str:
        return f"Kafka {self.api} v{self.version} {','.join(self.topics)}".rstrip()


Request = HTTPRequest | GRPCRequest | KafkaRequest
