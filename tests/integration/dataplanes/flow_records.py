"""What tests read of flow events."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fast_clients import PORT, Connection, settled
from http_ends import ask
from request_policies import http, ingress, rule

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab, LabPod

SECONDS = 10.0
Record = dict[str, Any]


class Told:
    """The records of an attachment, up to a request that is asked for to mark an end."""

    def __init__(self, plane: EbpfL7Attachment) -> None:
        self._plane = plane
        self._left: list[Record] = []

    def until_lost(self) -> list[Record]:
        """All records up to one that says how many are lost."""
        deadline = time.monotonic() + SECONDS
        while not any("lost_events" in each for each in self._left):
            assert time.monotonic() < deadline, "nothing was lost"
            self._left += self._plane.flows()
            time.sleep(0.02)
        found, self._left = self._left, []
        return found

    def all(self, count: int, mark: str) -> list[Record]:
        """``count`` records and that of ``mark``, in any order: those of one connection are in order."""
        deadline = time.monotonic() + SECONDS
        while len(self._left) <= count:
            assert time.monotonic() < deadline, f"{len(self._left)} of {count} records"
            self._left += self._plane.flows()
            time.sleep(0.02)
        found, self._left = self._left, []
        marked = [each for each in found if each.get("flow", {}).get("l7", {}).get("http", {}).get("url") == mark]
        assert len(marked) == 1
        found.remove(marked[0])
        return found

    def until(self, mark: str) -> list[Record]:
        """All records up to that of ``mark``. The kernel and Envoy tell of requests in order, and the agent files them so."""
        deadline = time.monotonic() + SECONDS
        while True:
            self._left += self._plane.flows()
            urls = [each["flow"]["l7"]["http"]["url"] if "flow" in each else "" for each in self._left]
            if mark in urls:
                found, self._left = self._left[: urls.index(mark)], self._left[urls.index(mark) + 1 :]
                return found
            assert time.monotonic() < deadline, f"{mark} is not among {urls}"
            time.sleep(0.02)


def brief(record: Record) -> tuple[object, ...]:
    flow, own = record["flow"], record["meshproof"]
    asked = flow["l7"]["http"]
    return asked["method"], asked["url"], asked.get("code"), flow["verdict"], own["path"], own.get("why"), own.get("answer")


@contextmanager
def flowing(lab: Lab, settings: str) -> Iterator[EbpfL7Attachment]:
    """A data plane with flow events, and rules for the client's neighbour."""
    with EbpfL7().tuned(settings).attach(lab) as attachment:
        assert isinstance(attachment, EbpfL7Attachment)
        attachment.apply([ingress("neighbour", rule("client", http("/public/.*"), port=PORT))])
        yield attachment


def marked(plane: EbpfL7Attachment, client: LabPod, server: LabPod) -> tuple[Told, Connection]:
    """A connection whose requests are fast, and of which all has been told until now."""
    told, connection = Told(plane), Connection(client, server)
    settled(plane, connection)
    ask(connection, "/public/begin")
    told.until("/public/begin")
    return told, connection
