import time
from types import SimpleNamespace
from typing import Any

import pytest

from harness.envoy.errors import NotAccepted
from harness.envoy.workers import CREATED, await_created, created


def proxy(*counts: int) -> Any:
    """Its workers have taken up so many listeners, each time that it is asked."""
    left = list(counts)
    admin = SimpleNamespace(statistics=lambda _: {CREATED: left.pop(0) if len(left) > 1 else left[0]})
    return SimpleNamespace(admin=admin, title="pod shop/a")


def test_every_worker_is_awaited() -> None:
    asked = proxy(4, 5, 6)
    await_created(asked, 6, time.monotonic() + 5.0)
    assert created(asked) == 6


def test_a_worker_that_takes_up_nothing_is_told_by_its_pod() -> None:
    with pytest.raises(NotAccepted, match="pod shop/a: not every worker"):
        await_created(proxy(5), 6, time.monotonic() + 0.02)
