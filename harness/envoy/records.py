"""Waiting for what an Envoy has refused to be written down."""

import time

from harness.envoy.process import Proxy
from harness.envoy.request_denials import RefusedRequests

DENIED = r"http\.[^.]*\.rbac\.denied"
POLL_SECONDS = 0.005
RECORD_SECONDS = 1.0


def await_written(refused: RefusedRequests, proxy: Proxy) -> None:
    """Return when all is in the file that Envoy has refused by now, or RECORD_SECONDS have passed.

    Envoy counts a refusal before it answers, and writes it down a moment after.
    """
    deadline = time.monotonic() + RECORD_SECONDS
    counted = sum(map(int, proxy.admin.statistics(f"^{DENIED}$").values())) if proxy.pids else 0
    while refused.written() < counted and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
