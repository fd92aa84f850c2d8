"""Requests that only clients and servers of their own protocol can make and take, as conformance asks them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from harness.model.flow import Flow
from harness.traffic.kept import KeptClient
from harness.traffic.probe import Observation

ANSWER_SECONDS = 10.0
"""For a request that should end, if only with a refusal: it ends when it does, so that patience costs nothing."""

SILENCE_SECONDS = 0.9
"""For a request of which nothing should be heard; below the kernel's first retransmission time-out one SYN is sent."""

_numbers = count(1)


@dataclass(slots=True)
class Connections:
    """Names for connections that are kept and that requests share: those between the same ends have the same one."""

    names: dict[tuple[object, ...], str]

    def of(self, flow: Flow) -> str:
        """The name of the connection for a flow's request."""
        ends = (flow.source, flow.destination, flow.port, flow.family, getattr(flow.request, "host", None))
        return self.names.setdefault(ends, f"connection-{next(_numbers)}")


@contextmanager
def kept_connections(clients: Mapping[str, KeptClient]) -> Iterator[Connections]:
    """Connections that are kept while this is entered, and closed then by the ``clients`` that have them."""
    named = Connections({})
    try:
        yield named
    finally:
        closing: dict[str, list[dict[str, str]]] = {}
        for ends, name in named.names.items():
            closing.setdefault(str(ends[0]), []).append({"do": "close", "connection": name})
        for ref, things in closing.items():
            clients[ref].do(things)


class Arrivals(Protocol):
    """What reaches servers from when this is made."""

    def reached(self, flow: Flow, nonce: int) -> str | None:
        """What of ``flow``, asked with ``nonce``, its server got until now, in words; None if nothing."""
        ...


class Asker(Protocol):
    """The programs of one protocol in a lab."""

    def asks(self, flow: Flow) -> bool:
        """Whether it makes the flow's request."""
        ...

    def connections(self) -> AbstractContextManager[Connections]:
        """Connections that are kept while this is entered."""
        ...

    def ask(
        self, flows: Sequence[Flow], seconds: float, kept: Connections | None = None, *, all_kept: bool = False
    ) -> list[Observation]:
        """What became of the requests of ``flows``, each made once and all at the same time.

        Those that are ``shared``, or all with ``all_kept``, go over the connections ``kept``, the others over one each.
        Raises LoadFailed where one could not be made: that is no verdict.
        """
        ...

    def begin(self, flows: Sequence[Flow], kept: Connections) -> list[int]:
        """Begin requests that go on; what each says of itself. Raises LoadFailed where its server does not answer one."""
        ...

    def go_on(
        self, flows: Sequence[Flow], seconds: Sequence[float], kept: Connections, nonces: Sequence[int]
    ) -> list[Observation]:
        """What becomes of the rest of requests that were begun with the same ``flows`` in the same order."""
        ...

    def watch(self) -> Arrivals:
        """What reaches its servers from now."""
        ...

    def refused(self, seen: Observation) -> bool:
        """Whether the client was told of a refusal, in the protocol's own words."""
        ...


def ends(flows: Iterable[Flow], asks: Callable[[Flow], bool]) -> tuple[list[str], list[str], list[int]]:
    """The clients and the ports of those of ``flows`` that ``asks`` takes, and the servers: who is asked anything there."""
    flows = list(flows)
    asked = [flow for flow in flows if asks(flow)]
    ports = {flow.port for flow in asked}
    servers = [flow.destination for flow in flows if flow.port in ports]
    return list(dict.fromkeys(flow.source for flow in asked)), list(dict.fromkeys(servers)), sorted(ports)
