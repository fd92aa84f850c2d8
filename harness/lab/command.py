"""Commands outside any node or pod: compilers and probes of this machine."""

import subprocess
from collections.abc import Sequence

from harness.lab.port import Completed, LabError


def run(argv: Sequence[str], *, seconds: float = 60.0, stdin: str | None = None, check: bool = True) -> Completed:
    """Run ``argv`` to its end on this machine; raises LabError when it is missing, times out or (``check``) fails."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
    except (FileNotFoundError, PermissionError):  # the latter also where a folder of PATH may not be read
        raise LabError(
            f"{argv[0]} is not installed (or not executable); `meshproof doctor` names the package that has it"
        ) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{argv[0]} did not end within {seconds:g} s: {' '.join(argv)}") from None
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(argv)} failed with status {done.returncode}: {said}")
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)
