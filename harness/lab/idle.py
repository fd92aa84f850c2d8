"""How idle processors wait: kept from sleeping while figures are taken, or left to the machine."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

LATENCY_REQUEST = Path("/dev/cpu_dma_latency")
NO_LATENCY = (0).to_bytes(4, "little")  # microseconds, as a native 32-bit integer


@contextmanager
def kept_awake() -> Iterator[None]:
    """Ask the kernel for idle processors that wake at once, for as long as this lasts.

    A virtual processor that sleeps has left its host's, and comes back when the host lets it: on a shared host that takes
    longer than what is measured, and differs from one second to the next. The request is that of cyclictest and tuned
    (PM QoS, Documentation/power/pm_qos_interface.rst). It holds for the whole machine and ends with the file, so also with
    a killed process. A machine that cannot be asked (``waiting`` tells) is left as it is.
    """
    with ExitStack() as held:
        with suppress(OSError):
            request = os.open(LATENCY_REQUEST, os.O_WRONLY | os.O_CLOEXEC)
            held.callback(os.close, request)
            os.write(request, NO_LATENCY)
        yield


def waiting() -> str:
    """How idle processors wait during a campaign, for the fingerprint."""
    return "kept awake (PM QoS latency 0)" if os.access(LATENCY_REQUEST, os.W_OK) else "as the machine lets them sleep"
