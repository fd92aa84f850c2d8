"""Where the clients and servers of calls (gRPC, Kafka) fit into a case."""

from collections.abc import Mapping, Sequence

from harness.manifests.matrix import ExpectedFlow

CALLED = {"grpc": "gRPC", "kafka": "Kafka"}
"""The fields of flows that programs of their own ask and answer, and what they are called."""


def ports_of_calls(flows: Sequence[ExpectedFlow]) -> dict[int, str]:
    """The ports that calls go to, and the field of the first."""
    ports: dict[int, str] = {}
    for each in flows:
        for field in CALLED:
            if getattr(each, field) is not None and each.port is not None:
                ports.setdefault(each.port, field)
    return ports


def misplaced(flows: Sequence[ExpectedFlow], ports: Mapping[int, str]) -> int | None:
    """The position of a flow to one of ``ports`` that asks neither what is called there nor HTTP."""
    for position, each in enumerate(flows):
        field = None if each.port is None else ports.get(each.port)
        if field is not None and getattr(each, field) is None and each.http is None:
            return position
    return None
