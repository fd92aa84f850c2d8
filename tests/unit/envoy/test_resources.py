"""Messages are made by one thread at a time: the library completes its classes when they are first used."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from harness.envoy import resources
from harness.envoy.resources import CLUSTER, Message, message, request_of, response_of


class Busy:
    """Stands for what the library does in making a message, and counts who does so at once."""

    def __init__(self) -> None:
        self.inside = self.most = 0

    def __call__(self, *_: object, **__: object) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.01)
        self.inside -= 1
        return SimpleNamespace(value=b"")


NAMES = map("cluster {}".format, count())
"""All different: what has been made is not made again."""


@pytest.mark.parametrize(
    "make",
    [
        lambda: message({"@type": CLUSTER, "name": next(NAMES)}),
        lambda: request_of(b""),
        lambda: response_of(CLUSTER, [Message("one", CLUSTER, b"")], "1"),
    ],
    ids=["message", "request", "response"],
)
def test_no_two_threads_make_messages_at_once(make: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Busy()
    made = SimpleNamespace(parse=busy, from_dict=busy)

    class Anything:
        from_dict, parse = staticmethod(busy), staticmethod(busy)

        def __new__(cls, **_: object) -> Any:
            return busy()

    monkeypatch.setattr(
        resources, "library", lambda _: SimpleNamespace(Any=Anything, DiscoveryRequest=made, DiscoveryResponse=Anything)
    )
    with ThreadPoolExecutor(4) as pool:
        for outcome in [pool.submit(make) for _ in range(8)]:
            outcome.result()
    assert busy.most == 1
