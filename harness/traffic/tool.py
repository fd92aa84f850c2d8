"""Running the programs that make traffic, and saying in one line how one of them failed."""

import signal
from collections.abc import Sequence

from harness.lab.port import Completed, LabError, LabPod, Process
from harness.traffic.port import LoadFailed

LAST_LINES = 3


def failure(tool: str, status: int, said: str) -> LoadFailed:
    """What ended ``tool``, with its last words. A negative status is the signal that killed it, as in ``subprocess``."""
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return LoadFailed(f"{tool} {how}: {' / '.join(lines[-LAST_LINES:]) or 'it printed nothing'}")


def not_understood(tool: str, said: str) -> LoadFailed:
    """``tool`` claims success and did not print what it should have."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return LoadFailed(f"{tool} printed what cannot be understood: {' / '.join(lines[-LAST_LINES:]) or 'nothing'}")


def start(pod: LabPod, argv: Sequence[str], component: str) -> Process:
    """Start a tool. Raises LoadFailed where it cannot be started."""
    try:
        return pod.start(argv, component=component)
    except LabError as error:
        raise LoadFailed(str(error)) from error


def run(pod: LabPod, argv: Sequence[str], component: str, seconds: float) -> Completed:
    """Run a tool to its end, which must come within ``seconds``. Raises LoadFailed where it is missing, hangs or fails."""
    try:
        done = pod.run(argv, component=component, seconds=seconds, check=False)
    except LabError as error:
        raise LoadFailed(str(error)) from error
    if done.status != 0:
        raise failure(f"{argv[0]} in pod {pod.pod.ref}", done.status, done.stderr or done.stdout)
    return done
