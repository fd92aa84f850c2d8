"""What the mesh asks of whoever judges requests of the flows that it hands over: the nodes' proxies."""

from collections.abc import Iterable
from typing import Protocol

from harness.mesh.grants import Cluster, Granted


class RequestJudge(Protocol):
    """Called in this order for each change of policies or pods. What it raises ends the change."""

    def prepare(self, result: Granted, cluster: Cluster) -> None:
        """Packets are judged by the policy in force, and soon by ``result``: refuse what either refuses, on every connection.

        When it raises, it refuses what it refused before.
        """
        ...

    def settle(self) -> None:
        """``result`` is in force for all packets: refuse what it refuses, and no more."""
        ...

    def forget(self, addresses: Iterable[str]) -> None:
        """The owners of ``addresses`` are gone: end their connections, for the addresses will have other owners."""
        ...
