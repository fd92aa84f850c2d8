"""What virtual machines leave on this one, written down before it is made, so that `clean` finds it after SIGKILL.

Each use of machines has a folder, ``/run/meshproof-vm/NAME``: ``machine.json`` (who made it) and what the guests write.
A guest of ours is killed by the kernel when its maker dies, Vagrant's with the libvirt that it is in; their disks bear the
folder's name.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.lab.port import LabError
from harness.lab.processes import end, started
from harness.lab.vm.packages import vm_cache

RUN = Path("/run/meshproof-vm")
_FILE = "machine.json"
PREFIX = "meshproof-"
"""Of the names of domains and disks (Vagrantfile); the folder's name follows."""

OWNER_SECONDS = 60.0
_DISK = re.compile(rf"{PREFIX}(?P<name>vagrant-[0-9a-f]{{6}})-")


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that made something, told from later ones of its number."""

    pid: int
    boot: str
    start: int
    kind: str
    """``qemu`` or ``vagrant``."""

    @property
    def alive(self) -> bool:
        return started(self.pid) == (self.boot, self.start)


@contextmanager
def workplace(kind: str) -> Iterator[Path]:
    """A new folder for machines of this process; left, nothing of it remains. Raises LabError."""
    identity = started(os.getpid())
    if identity is None:
        raise LabError("/proc does not show this process; mount it by `mount -t proc proc /proc`")
    folder = RUN / f"{kind}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
        (folder / _FILE).write_text(json.dumps(asdict(Owner(os.getpid(), *identity, kind))))
    except OSError as error:
        raise LabError(f"cannot write {folder}: {error.strerror}; virtual machines are made by root") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def owners() -> Mapping[str, Owner | None]:
    """Who made the folders that are there, by name; None where it died before it said so."""
    found: dict[str, Owner | None] = {}
    for folder in sorted(RUN.iterdir()) if RUN.is_dir() else ():
        try:
            found[folder.name] = Owner(**json.loads((folder / _FILE).read_text()))
        except (OSError, ValueError, TypeError):
            found[folder.name] = None
    return found


def clean_machines(all_machines: bool = False) -> list[str]:
    """Remove what is left of machines whose maker is dead, with ``all_machines`` of living ones too; a line for each."""
    said = []
    for name, owner in owners().items():
        if owner is not None and owner.alive and owner.pid != os.getpid():
            if not all_machines:
                said.append(f"virtual machines {name}: left, for process {owner.pid} is using them (--all removes them too)")
                continue
            if not end(owner.pid, (owner.boot, owner.start), OWNER_SECONDS):
                said.append(f"virtual machines {name}: process {owner.pid} is still there after SIGTERM: kill it")
                continue
        shutil.rmtree(RUN / name, ignore_errors=True)
        disks = remove_disks(name)
        said.append(f"virtual machines {name}: removed files" + (f", {disks} disk{'s' if disks > 1 else ''}" if disks else ""))
    for name in _disks_of_nobody():
        said.append(f"virtual machines {name}: removed {remove_disks(name)} disks")
    return said


def _disks_of_nobody() -> list[str]:
    """The names on disks in the cache whose folder is gone, as after a power cut."""
    names = {match["name"] for path in (vm_cache() / "images").glob(f"{PREFIX}*") if (match := _DISK.match(path.name))}
    return sorted(names - set(owners()))


def remove_disks(name: str) -> int:
    """Remove the disks of nodes that bear ``name``, which their libvirt has left in the cache; how many."""
    disks = list((vm_cache() / "images").glob(f"{PREFIX}{name}-*"))
    for disk in disks:
        disk.unlink(missing_ok=True)
    return len(disks)
