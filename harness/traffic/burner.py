"""CPU time burnt beside a pod's server, billed with it, in an exactly stated amount: a known effect on cost."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.lab.build import c_program
from harness.lab.port import LabPod, Process
from harness.traffic.delayed import started

SOURCE = Path(__file__).with_name("burner.c")
PERIOD = 0.005  # seconds, as in burner.c: over whole periods what it uses is exact


class Burner:
    """Turned off at first."""

    def __init__(self, process: Process, share: float) -> None:
        self._process = process
        self.share = share
        """Seconds of processor time that it uses in each second in which it is on."""

    def turn(self, on: bool) -> None:
        """Begin to burn, or stop."""
        self._process.signal(signal.SIGUSR1 if on else signal.SIGUSR2)


@contextmanager
def burner(pod: LabPod, share: float) -> Iterator[Burner]:
    """A burner in the control group of ``pod``'s server, until the context is left. Raises LabError."""
    with started(pod, [str(c_program(SOURCE)), repr(share)]) as process:
        yield Burner(process, share)
