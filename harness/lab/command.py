"""Commands outside any node or pod: compilers and probes of this machine."""

import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from harness.lab.port import Completed, LabError


def run(
    argv: Sequence[str], *, seconds: float = 60.0, stdin: str | None = None, check: bool = True, ending: float = 0.0
) -> Completed:
    """Run ``argv`` to its end on this machine; raises LabError when it is missing, times out or (``check``) fails.

    When it times out, or this process is interrupted, it is killed; with ``ending`` it is interrupted first, and has so many
    seconds to take down what it made. It then hears of a terminal's Ctrl-C through this process alone, once.
    """
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=ending > 0,
        )  # fmt: skip
    except (FileNotFoundError, PermissionError):  # the latter also where a folder of PATH may not be read
        raise LabError(
            f"{argv[0]} is not installed (or not executable); `meshproof doctor` names the package that has it"
        ) from None
    with process:
        try:
            output, said = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process, ending)
            raise LabError(f"{argv[0]} did not end within {seconds:g} s: {' '.join(argv)}") from None
        except BaseException:
            _end(process, ending)
            raise
    done = Completed(tuple(argv), process.returncode, output, said)
    if check and done.status != 0:
        reason = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(argv)} failed with status {done.status}: {reason}")
    return done


def _end(process: subprocess.Popen[str], seconds: float) -> None:
    if seconds:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=seconds)  # what it still says must not fill the pipe and keep it
    process.kill()
