"""The proof that every worker of an Envoy goes by what it was told.

Envoy accepts a change in its main thread and passes it on to its workers, each of which does in order what it is passed: a
listener that is sent afterwards is counted as taken up by each when the change has reached it.
"""

import time

from harness.envoy.errors import NotAccepted
from harness.envoy.process import Proxy

POLL_SECONDS = 0.005
CREATED = "listener_manager.listener_create_success"


def created(proxy: Proxy) -> int:
    """How often workers have taken up a listener."""
    return int(proxy.admin.statistics(f"^{CREATED}$").get(CREATED, 0))


def await_created(proxy: Proxy, count: int, deadline: float) -> None:
    """Return when ``created`` is ``count``. Raises NotAccepted at ``deadline``, of time.monotonic()."""
    while created(proxy) < count:
        if time.monotonic() > deadline:
            raise NotAccepted(f"Envoy of {proxy.title}: not every worker has taken up a change in time")
        time.sleep(POLL_SECONDS)
