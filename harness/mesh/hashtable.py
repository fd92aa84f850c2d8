"""Hash tables in arrays, as the programs read them: buckets of a few entries, built whole.

An entry is in the bucket of its key's hash, or in one of the next if that is full. The hash is that of bpf/net.h.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.mesh.errors import MeshError
from harness.mesh.layout import TABLE_PROBES, TABLE_WAYS

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SHIFT, _HALF = np.uint64(29), np.uint64(32)
_LOAD = 0.8  # at most this part of the places is taken, so that lookups seldom go on to another bucket
_Words = npt.NDArray[np.uint64]


class TableFull(MeshError):
    """More entries than a table holds."""


def build(entries: Sequence[bytes], size: int, keys: Sequence[bytes], most_buckets: int, what: str) -> tuple[bytes, int]:
    """The table of ``entries`` of ``size`` bytes each, and its mask: the number of its buckets less one.

    ``keys`` are what is hashed of each entry, a multiple of 8 bytes. The table is made as small as it may be, for the sake of
    the CPU's cache, and up to eight times that if too many entries meet in one place. Raises TableFull, which says ``what``
    there is too much of.
    """
    if not entries:
        return bytes(size * TABLE_WAYS), 0
    homes = _hashes(keys)
    buckets = 1 << (int(len(entries) / (TABLE_WAYS * _LOAD))).bit_length()
    for count in (buckets, buckets * 2, buckets * 4, buckets * 8):
        if count <= most_buckets:
            places = _places((homes & np.uint64(count - 1)).tolist(), count)
            if places is not None:
                return _filled(entries, places, count, size), count - 1
    raise TableFull(f"{what}: {len(entries)} are too many for the kernel's table of {most_buckets * TABLE_WAYS}")


def _hashes(keys: Sequence[bytes]) -> _Words:
    words = np.frombuffer(b"".join(keys), dtype=np.uint64).reshape(len(keys), -1)
    zero = np.zeros(len(keys), dtype=np.uint64)
    hashed = zero
    for column in range(words.shape[1]):
        hashed = _mix(hashed, words[:, column])
    return _mix(hashed, zero) >> _HALF


def _mix(hashed: _Words, words: _Words) -> _Words:
    mixed = (hashed ^ words) * _GOLDEN
    return mixed ^ (mixed >> _SHIFT)


def _places(homes: list[int], buckets: int) -> list[int] | None:
    """The place of each entry; None if one would be further from its home than lookups go."""
    used = [0] * buckets
    places = []
    for home in homes:
        for probe in range(min(TABLE_PROBES, buckets)):
            bucket = (home + probe) % buckets
            if used[bucket] < TABLE_WAYS:
                places.append(bucket * TABLE_WAYS + used[bucket])
                used[bucket] += 1
                break
        else:
            return None
    return places


def _filled(entries: Sequence[bytes], places: list[int], buckets: int, size: int) -> bytes:
    table = bytearray(buckets * TABLE_WAYS * size)
    for entry, place in zip(entries, places, strict=True):
        table[place * size : (place + 1) * size] = entry
    return bytes(table)
