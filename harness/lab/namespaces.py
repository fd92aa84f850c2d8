"""Network namespaces as named files, where ``ip netns`` finds them.

Namespaces belong to threads: whoever calls ``enter_new`` or ``entered`` changes only the calling thread.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.lab.port import LabError

NETNS = Path("/run/netns")
"""Where iproute2 keeps named network namespaces."""

OWN = Path("/proc/thread-self/ns/net")
"""The calling thread's namespace."""

_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 1 << 20
_MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.unshare.argtypes = [ctypes.c_int]
_libc.setns.argtypes = [ctypes.c_int, ctypes.c_int]
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]


def _check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def mount(source: bytes, target: Path, kind: bytes | None, flags: int = 0) -> None:
    """mount(2); raises OSError that names the target."""
    _check(_libc.mount(source, os.fsencode(target), kind, flags, None), f"mounting {target}")


def unmount(target: Path) -> bool:
    """Detach what is mounted on ``target``; False where nothing is mounted or nothing is there."""
    if _libc.umount2(os.fsencode(target), _MNT_DETACH) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOENT):
        return False
    raise OSError(number, f"unmounting {target}: {os.strerror(number)}")


def prepare() -> None:
    """Make ``/run/netns`` a shared mount as iproute2 does.

    Otherwise a later ``ip netns add`` would bind the folder over itself and hide our mounts below, and copies of them in
    other mount namespaces would outlive ours.
    """
    NETNS.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = os.open(NETNS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # iproute2 takes the same lock
        try:
            mount(b"", NETNS, b"none", _MS_SHARED | _MS_REC)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            mount(os.fsencode(NETNS), NETNS, b"none", _MS_BIND | _MS_REC)
            mount(b"", NETNS, b"none", _MS_SHARED | _MS_REC)
    finally:
        os.close(folder)


def enter_new() -> None:
    """Move the calling thread into a new, empty network namespace."""
    _check(_libc.unshare(_CLONE_NEWNET), "making a network namespace")


def name_own(name: str) -> Path:
    """Give the calling thread's namespace a name; raises LabError where the name is taken."""
    path = NETNS / name
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))
    except FileExistsError:
        raise LabError(
            f"network namespace {name} exists already and is not this lab's; remove it by `ip netns del {name}`"
        ) from None
    mount(os.fsencode(OWN), path, None, _MS_BIND)
    return path


def forget(name: str) -> bool:
    """Remove a name; the kernel removes the namespace when nobody is inside. False where there was no such name."""
    path = NETNS / name
    while unmount(path):
        pass  # a name can be mounted over, as by `ip netns attach`
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


@contextmanager
def entered(path: Path) -> Iterator[None]:
    """The calling thread is inside the namespace ``path`` while the context is open."""
    with _returning():
        enter(path)
        yield


@contextmanager
def entered_new() -> Iterator[None]:
    """The calling thread is inside a new namespace while the context is open; nothing else refers to it."""
    with _returning():
        enter_new()
        yield


@contextmanager
def _returning() -> Iterator[None]:
    before = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _check(_libc.setns(before, _CLONE_NEWNET), "returning to the network namespace before")
        os.close(before)


def enter(path: Path) -> None:
    """Move the calling thread into ``path`` for good; raises LabError where it does not exist."""
    try:
        target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise LabError(f"network namespace {path.name} is gone; was the lab taken down?") from None
    try:
        _check(_libc.setns(target, _CLONE_NEWNET), f"entering {path}")
    finally:
        os.close(target)
