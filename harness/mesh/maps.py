"""BPF maps from user space: single entries, batches, and arrays seen as memory."""

import ctypes
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.mesh.libbpf import BpfError, MapInfo, checked, library


class Map:
    """One BPF map by file descriptor, which it owns. Keys and values are bytes of the map's own sizes."""

    def __init__(self, name: str, fd: int) -> None:
        info = MapInfo()
        size = ctypes.c_uint32(ctypes.sizeof(info))
        checked(library().bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size)), f"map {name}: its kind")
        self.name = name
        self.fd = fd
        self.key_size = int(info.key_size)
        self.value_size = int(info.value_size)
        self.max_entries = int(info.max_entries)

    @classmethod
    def pinned(cls, path: Path) -> "Map":
        """The map that is pinned at ``path``."""
        return cls(path.name, checked(library().bpf_obj_get(str(path).encode()), f"map pinned at {path}"))

    def pin(self, path: Path) -> None:
        """Keep it alive at ``path``, on a bpf file system."""
        checked(library().bpf_obj_pin(self.fd, str(path).encode()), f"pin map {self.name} at {path}")

    def close(self) -> None:
        """Give the descriptor back; pinned or attached maps live on."""
        os.close(self.fd)

    def get(self, key: bytes) -> bytes | None:
        """The value of ``key``, or None. Not for per-CPU maps."""
        return self._lookup(key, self.value_size)

    def per_cpu(self, key: bytes) -> list[bytes]:
        """The value of ``key`` on each possible CPU; none for an absent key."""
        size = (self.value_size + 7) & ~7
        found = self._lookup(key, size * possible_cpus())
        return [] if found is None else [found[at : at + self.value_size] for at in range(0, len(found), size)]

    def _lookup(self, key: bytes, size: int) -> bytes | None:
        value = ctypes.create_string_buffer(size)
        status = library().bpf_map_lookup_elem(self.fd, self._sized(key, self.key_size), value)
        return value.raw if status == 0 else None

    def put(self, key: bytes, value: bytes) -> None:
        """Insert or replace one entry."""
        status = library().bpf_map_update_elem(self.fd, self._sized(key, self.key_size), self._sized(value, self.value_size), 0)
        checked(status, f"map {self.name}: update")

    def put_many(self, entries: Mapping[bytes, bytes]) -> None:
        """Insert or replace entries by one system call."""
        if not entries:
            return
        keys, values = b"".join(entries), b"".join(entries.values())
        self._sized(keys, self.key_size * len(entries))
        self._sized(values, self.value_size * len(entries))
        count = ctypes.c_uint32(len(entries))
        status = library().bpf_map_update_batch(self.fd, keys, values, ctypes.byref(count), None)
        checked(status, f"map {self.name} ({self.max_entries} entries at most): update {len(entries)} entries")

    def remove_many(self, keys: Sequence[bytes]) -> None:
        """Remove entries; absent ones are no error. Tries (LPM) know no batches, so it is a call a key."""
        for key in keys:
            status = library().bpf_map_delete_elem(self.fd, self._sized(key, self.key_size))
            if status not in (0, -2):
                checked(status, f"map {self.name}: delete")

    def keys(self) -> Iterator[bytes]:
        """Every key; entries that change meanwhile may be missed or seen twice."""
        key: bytes | None = None
        following = ctypes.create_string_buffer(self.key_size)
        while library().bpf_map_get_next_key(self.fd, key, following) == 0:
            key = following.raw
            yield key

    def memory(self) -> mmap.mmap:
        """The values of a BPF_F_MMAPABLE array as memory; each takes its size rounded up to 8 bytes."""
        length = ((self.value_size + 7) & ~7) * self.max_entries
        page = mmap.PAGESIZE
        return mmap.mmap(self.fd, (length + page - 1) // page * page)

    def _sized(self, data: bytes, size: int) -> bytes:
        if len(data) != size:
            raise BpfError(f"map {self.name}: {len(data)} bytes given where {size} belong", 22)
        return data


def possible_cpus() -> int:
    """How many values a per-CPU entry has."""
    last = Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii").strip().replace(",", "-").split("-")[-1]
    return int(last) + 1
