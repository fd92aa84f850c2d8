"""Who may measure on this machine now, and where a worker keeps what it has not handed over yet.

Two campaigns at once would measure each other. Everything here ends with the process that holds it, also by SIGKILL; what a
killed worker leaves behind, a folder, is told from a living one's by its lock.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.lab import record
from harness.lab.port import LabError

_TURN = ".measuring"
_PLACES = Path("/var/tmp")  # noqa: S108 -- on a disk, unlike /run; folders in it are made unguessable and for root alone
_PREFIX = "meshproof-worker-"


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait until this machine is free, then hold it. Raises LabError.

    Blocks of workers are measured ``alone``. Campaigns started by hand at the same time are their user's own wish, and keep
    only workers waiting.
    """
    with record.locked():  # makes the folder
        pass
    try:
        handle = os.open(record.RUN / _TURN, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LabError(f"cannot write {record.RUN / _TURN}: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder of this process, gone when the context is left."""
    with record.locked():
        place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_PLACES))
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(handle)


def clean_workplaces() -> list[str]:
    """Remove the folders of workers that were killed; a line for each."""
    said = []
    with record.locked():
        for place in sorted(_PLACES.glob(f"{_PREFIX}*")):
            with suppress(OSError):
                handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    if os.fstat(handle).st_uid == os.geteuid():
                        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        shutil.rmtree(place)
                        said.append(f"worker folder {place.name}: removed")
                finally:
                    os.close(handle)
    return said
