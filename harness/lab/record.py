"""What every lab writes down before it makes it, so that everything can be found again, also after SIGKILL.

A lab is one folder, ``/run/meshproof/NAME``: ``lab.json`` (this record), ``files`` and ``bpf``. The record is written
whole, at first, and again before a pod is added and after one was removed; nothing is made that it does not name.
Claiming a name and looking through the records exclude one another by a lock, so a folder without a record is always
the remains of a process that died.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.lab.port import LabError
from harness.lab.processes import started
from harness.model.topology import Pod, Topology

RUN = Path("/run/meshproof")
FORMAT = 1
_FILE = "lab.json"


@dataclass(frozen=True, slots=True)
class LabRecord:
    """A lab and all that it may have made. ``boot`` and ``start`` tell its owner from a later process of the same number."""

    format: int
    name: str
    owner: int
    boot: str
    start: int
    kept: bool
    topology: Topology
    namespaces: tuple[str, ...]
    cgroup: str
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Of its pods (see addressing.Port), once some were added or removed; no number is used twice."""
    next_number: int = 0

    @property
    def owner_alive(self) -> bool:
        """Whether the process that made the lab still runs."""
        return started(self.owner) == (self.boot, self.start)

    @property
    def folder(self) -> Path:
        """The lab's own folder."""
        return RUN / self.name

    @property
    def files(self) -> Path:
        """Configuration, sockets and logs."""
        return self.folder / "files"

    @property
    def bpffs(self) -> Path:
        """Where the lab's bpf file system is mounted."""
        return self.folder / "bpf"


_ADAPTER = TypeAdapter(LabRecord)


def namespace_name(lab: str, node: str, pod: Pod | None = None) -> str:
    """The name that ``ip netns`` shows. The separator is in no Kubernetes name, so that no two places share one."""
    return "_".join([f"mp-{lab}", node, *([] if pod is None else [pod.namespace, pod.name])])


@contextmanager
def locked() -> Iterator[None]:
    """Nobody else claims a name or looks for remains while the context is open. The lock dies with its holder."""
    try:
        RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle = os.open(RUN / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LabError(f"cannot write {RUN}/.lock: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def removing(record: LabRecord) -> Iterator[None]:
    """Nobody else removes the same lab, or a pod of it, or adds one, while the context is open."""
    try:
        handle = os.open(record.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield  # somebody has; what the lab's owner was making in the meantime may still be there
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def free_name() -> str:
    """A name that no lab has; it stays free only under the lock."""
    while True:
        name = secrets.token_hex(3)
        if not (RUN / name).exists():
            return name


def write(record: LabRecord) -> None:
    """Write a new lab's record, under the lock; raises LabError (a full disk, say) and then leaves nothing."""
    try:
        record.folder.mkdir(mode=0o755)
    except OSError as error:
        raise LabError(f"cannot make {record.folder}: {error.strerror}; nothing was made") from None
    try:
        rewrite(record)
    except LabError:
        record.folder.rmdir()
        raise


def rewrite(record: LabRecord) -> None:
    """Put ``record`` in the place of the lab's former one, whole or not at all. Raises LabError; then nothing has changed."""
    path = record.folder / _FILE
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            file.write(_ADAPTER.dump_json(record))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise LabError(f"cannot write the lab's record {path}: {error.strerror}; nothing was made") from None


def read(name: str) -> LabRecord:
    """The record of the lab ``name``; raises LabError where there is none or it cannot be understood."""
    path = RUN / name / _FILE
    try:
        record = _ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise LabError(f"there is no lab called {name!r} (no {path})") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise LabError(f"{path}: {where or 'file'}: {first['msg']}; remove what it names by hand, then the folder") from None
    if record.format != FORMAT or record.name != name:
        raise LabError(
            f"{path}: format {record.format} of lab {record.name!r}; this version reads format {FORMAT} of its own name"
        )
    foreign = [each for each in record.namespaces if not each.startswith(f"mp-{name}_")]
    if foreign or Path(record.cgroup).name != f"meshproof-{name}":
        raise LabError(f"{path} names {', '.join([*foreign, record.cgroup])}, which no lab makes; nothing is done by it")
    return record


def names() -> list[str]:
    """The names of all labs, and of what is left of labs."""
    if not RUN.is_dir():
        return []
    return sorted(path.name for path in RUN.iterdir() if path.is_dir())


def unrecorded(name: str) -> bool:
    """Whether the folder of ``name`` holds no record: its maker died between the two steps of ``write``."""
    return not (RUN / name / _FILE).exists()
