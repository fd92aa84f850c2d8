"""Labs made of network namespaces: up, down, and finding again what another process made."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from harness.lab import cgroups, record
from harness.lab.addressing import Plan, plan
from harness.lab.construction import Construction
from harness.lab.namespaces import NETNS
from harness.lab.places import NetnsLab
from harness.lab.port import LabError
from harness.lab.processes import end, started
from harness.lab.record import LabRecord, namespace_name
from harness.lab.removal import remove
from harness.lab.shield import in_own_thread, signals_deferred
from harness.model.topology import Topology

_NAME_LENGTH = 255
OWNER_SECONDS = 30.0  # for a lab's owner to take it down when it is asked to end


@contextmanager
def up(topology: Topology, *, keep: bool = False, here: str | None = None) -> Iterator[NetnsLab]:
    """Make a lab of ``topology`` and take it down on the way out, whatever the way; with ``keep`` it stays up.

    With ``here``, a node's name, that node alone: the others are other machines, and the wires to them are interfaces of this
    one that have the MAC addresses which the plan gives to wires (``addressing``).
    It is up when every pod has answered its node on IPv4 and IPv6, and down when the kernel has let go of every
    namespace and link. Raises LabError, and then nothing is left.
    """
    _require_root()
    planned = plan(topology)
    lab = None
    try:
        # One shield over making and taking down again: between two of them a second signal would find nobody in charge.
        with signals_deferred() as arrived:
            lab = NetnsLab(_claim(planned, keep, here), planned, here)
            _build(lab, arrived)
    except BaseException as error:
        if lab is not None and lab.record.folder.exists():
            _down(lab)
        if isinstance(error, OSError):
            raise LabError(f"the lab could not be made: {error}; nothing is left of it") from error
        raise
    if keep:
        yield lab
        return
    try:
        yield lab
    finally:
        _down(lab)


def down(name: str) -> None:
    """Take down the lab ``name``, whoever made it; raises LabError where there is none."""
    _require_root()
    _down(reopen(name))


def release(name: str) -> None:
    """Take down the lab ``name`` by its owner, if that lives, so that its data plane goes first. Raises LabError."""
    _require_root()
    found = record.read(name)
    if found.owner_alive and found.owner != os.getpid():
        _ended_by_owner(found)
    else:
        _down(reopen(name))


def reopen(name: str) -> NetnsLab:
    """The lab ``name``, made by another process; raises LabError where there is none."""
    found = record.read(name)
    return NetnsLab(found, plan(found.topology, found.numbers))


def labs() -> Sequence[LabRecord]:
    """All labs of this machine, whoever made them, also what is left of those whose owner died.

    A record that cannot be read is passed over here, so that it is in nobody's way; ``clean`` tells of it.
    """
    found = []
    for name in record.names():
        with suppress(LabError):
            found.append(record.read(name))
    return found


def clean(all_labs: bool = False) -> list[str]:
    """Remove every lab whose owner is dead and every kept one; with ``all_labs`` also those of living owners.

    Returns a line for each lab: what was removed, or why it was left. A lab that cannot be removed keeps no other from it.
    """
    _require_root()
    said: list[str] = []
    with record.locked():
        names = record.names()
        for name in filter(record.unrecorded, names):
            shutil.rmtree(record.RUN / name)
            said.append(f"lab {name}: removed an empty folder")
    for name in names:
        try:
            found = record.read(name)
            if found.owner_alive and not found.kept and not all_labs:
                said.append(f"lab {name}: left, for process {found.owner} is using it (--all removes it too)")
                continue
            if found.owner_alive and found.owner != os.getpid():
                said.append(_ended_by_owner(found))
                continue
            removed = _remove(found)
            said.append(f"lab {name}: removed {', '.join(removed)}")
        except LabError as error:
            if (record.RUN / name).exists():  # else its owner took it down meanwhile
                said.append(f"lab {name}: {error}")
    return said


def _ended_by_owner(found: LabRecord) -> str:
    """Ask a living owner to take its lab down, data plane and all; what it leaves is removed."""
    gone = end(found.owner, (found.boot, found.start), OWNER_SECONDS)
    if not gone:
        raise LabError(f"process {found.owner}, which made it, is still there {OWNER_SECONDS:g} s after SIGTERM: kill it")
    left = _remove(found) if found.folder.exists() else []
    return f"lab {found.name}: taken down by process {found.owner}" + (f"; removed {', '.join(left)}" if left else "")


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("making network namespaces must be done by root: run it with sudo")


def _claim(planned: Plan, keep: bool, here: str | None) -> LabRecord:
    """Choose a name under which nothing exists, and write down all that is going to be made."""
    identity = started(os.getpid())
    if identity is None:
        raise LabError("/proc does not show this process; mount it by `mount -t proc proc /proc`")
    root = cgroups.root()
    with record.locked():
        while True:
            name = record.free_name()
            namespaces = tuple(
                namespace_name(name, node.name, pod)
                for node in planned.nodes
                if here in (None, node.name)
                for pod in (None, *(port.pod for port in (*node.ports, *node.outside)))
            )
            cgroup = root / f"meshproof-{name}"
            if not cgroup.exists() and not any((NETNS / namespace).exists() for namespace in namespaces):
                break
        for namespace in namespaces:
            if len(namespace) > _NAME_LENGTH:
                raise LabError(f"the names of node, namespace and pod are too long together: {namespace}")
        boot, start = identity
        made = LabRecord(record.FORMAT, name, os.getpid(), boot, start, keep, planned.topology, namespaces, str(cgroup))
        record.write(made)
    return made


def _build(lab: NetnsLab, arrived: Sequence[int]) -> None:
    """Make what the record names; nothing is left where that fails, or where a signal has ``arrived``."""
    construction = Construction(lab.record, lab.plan, lab.here)
    complete = False
    try:
        in_own_thread(construction.build, on_signal=construction.stop)
        complete = not arrived
    finally:
        if not complete:
            _down(lab)


def _down(lab: NetnsLab) -> None:
    with signals_deferred():
        try:
            _remove(lab.record)
        finally:
            lab.reap()


def _remove(found: LabRecord) -> list[str]:
    try:
        return in_own_thread(partial(remove, found))
    except OSError as error:
        raise LabError(f"lab {found.name} could not be removed whole: {error}; `meshproof clean` tries again") from error
