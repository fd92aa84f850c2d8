"""A fast path's agent that dies between telling the kernel of an answer's end and writing it."""

import os
import signal
from typing import Any

from harness.mesh.l7agent import main
from harness.mesh.l7tables import FastPathTables

_errand = FastPathTables.errand


def dying(tables: FastPathTables, program: str, *about: Any, **more: Any) -> bool:
    told = _errand(tables, program, *about, **more)
    if program == "l7_finish":
        os.kill(os.getpid(), signal.SIGKILL)
    return told


if __name__ == "__main__":
    FastPathTables.errand = dying  # type: ignore[method-assign]
    main()
