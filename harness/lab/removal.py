"""Taking apart what a record names, and waiting until the kernel has let go of it."""

import errno
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from harness.lab import cgroups
from harness.lab.namespaces import NETNS, OWN, enter, enter_new, entered_new, forget, unmount
from harness.lab.netlink import Netlink, namespace_id
from harness.lab.port import LabError
from harness.lab.record import LabRecord, removing
from harness.lab.sockets import end_orphans, orphans

_POLL = 0.002
PATIENCE = 30.0
"""Seconds that processes and namespaces have to go."""


def remove(record: LabRecord) -> list[str]:
    """Remove all that ``record`` names, then the record; what was removed, one line each. Whatever is already gone is skipped.

    Runs in a thread of its own, since it leaves that thread in a namespace of its own.
    Raises LabError where a process that the lab did not start holds a namespace, after everything else is gone.
    """
    removed: list[str] = []
    with removing(record):
        deadline = time.monotonic() + PATIENCE
        processes, groups = _kill_and_remove(Path(record.cgroup), deadline)
        if processes:
            removed.append(f"{processes} process{'es' if processes > 1 else ''}")
        if groups:
            removed.append("cgroups")
        if unmount(record.bpffs):
            removed.append("bpf file system")
        held = _remove_namespaces(record.namespaces, removed, deadline)
        if record.folder.exists():
            shutil.rmtree(record.folder)
            removed.append("files")
    if held:
        raise LabError(f"lab {record.name}: {'; '.join(held)}; end those programs, and the kernel removes the namespaces")
    return removed


def remove_pod(record: LabRecord, cgroup: Path, namespace: str) -> None:
    """End a pod's programs, then remove its cgroup and its namespace; whatever is already gone is skipped.

    Its link should be gone by then, else the kernel takes it apart later. Runs in a thread of its own, as ``remove``.
    """
    deadline = time.monotonic() + PATIENCE
    _kill_and_remove(cgroup, deadline)
    held = _remove_namespaces([namespace], [], deadline)
    if held:
        raise LabError(f"lab {record.name}: {'; '.join(held)}; end those programs, and the kernel removes the namespace")


def _kill_and_remove(cgroup: Path, deadline: float) -> tuple[int, bool]:
    """End all processes; how many, and whether there was a cgroup. Again when one joined after the others were killed."""
    killed = 0
    while True:
        killed += cgroups.kill(cgroup)
        try:
            return killed, cgroups.remove(cgroup)
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise LabError(f"cannot remove {error.filename}: {error.strerror}") from None


def _remove_namespaces(names: Sequence[str], removed: list[str], deadline: float) -> list[str]:
    """Remove named namespaces and wait for the kernel; returns who still holds any.

    A namespace of ours numbers them all (ip-netns(8), ``set``): the kernel drops a number when nobody uses that namespace
    any more and it begins to take it apart. It takes namespaces apart in batches, one batch after the other. So when a
    last namespace, dropped after all others had lost their numbers, loses its own, theirs are gone with every link.
    """
    inodes = _inodes(names)
    if orphans() > 0:
        for path in inodes.values():
            enter(path)
            end_orphans()
    with ExitStack() as stack:
        enter_new()
        watcher = stack.enter_context(Netlink())
        _watch(watcher, inodes.values())
        forgotten = [name for name in names if forget(name)]
        if forgotten:
            removed.append(f"{len(forgotten)} network namespace{'s' if len(forgotten) > 1 else ''}")
        if not inodes:
            return []
        if not _all_gone(watcher, deadline):
            return _holders(inodes)
        with entered_new():
            _watch(watcher, [OWN])
        if not _all_gone(watcher, deadline):
            raise LabError(f"the kernel is still taking {len(inodes)} network namespaces apart; it goes on by itself")
    return []


def _inodes(names: Sequence[str]) -> dict[int, Path]:
    """Those of ``names`` that are namespaces. A file with nothing mounted on it is left by one who died between the two."""
    try:
        outside = NETNS.stat().st_dev
    except FileNotFoundError:
        return {}
    found = {}
    for name in names:
        path = NETNS / name
        with suppress(FileNotFoundError):
            status = path.stat()
            if status.st_dev != outside:
                found[status.st_ino] = path
    return found


def _watch(watcher: Netlink, namespaces: Iterable[Path]) -> None:
    with ExitStack() as stack:
        messages = []
        for number, path in enumerate(namespaces):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            messages.append(namespace_id(descriptor, number))
        watcher.send(messages)


def _all_gone(watcher: Netlink, deadline: float) -> bool:
    while watcher.namespace_ids() > 0:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _holders(inodes: dict[int, Path]) -> list[str]:
    """Which processes are inside the namespaces."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                inode = (process / "ns/net").stat().st_ino
                name = (process / "comm").read_text().strip()
            except OSError:
                continue  # it ended meanwhile
            if inode in inodes:
                found.append(f"process {process.name} ({name}) holds the network namespace {inodes[inode].name}")
    return found or ["an open file or socket holds a network namespace"]
