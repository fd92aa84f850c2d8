"""The hash table of policy entries as the programs read it: buckets of one cache line, built whole.

An entry is in the bucket of its hash, or in one of the next PROBES - 1 if that is full. The hash is that of
bpf/net.h.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from harness.mesh.errors import MeshError
from harness.mesh.layout import POLICY_BUCKETS, POLICY_ENTRY, POLICY_PROBES, POLICY_WAYS
from harness.mesh.policy import Entry

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SHIFT, _HALF = np.uint64(29), np.uint64(32)
_Words = npt.NDArray[np.uint64]


class TableFull(MeshError):
    """More policy entries than a node's table holds."""


def build(entries: Mapping[Entry, int]) -> tuple[bytes, int]:
    """The table as bytes, and its mask: the number of its buckets less one. Raises TableFull.

    Half as many buckets as entries, or up to four times as many if too many entries meet in one place.
    """
    if not entries:
        return bytes(POLICY_ENTRY.size * POLICY_WAYS), 0
    packed = [POLICY_ENTRY.pack(*entry, rule) for entry, rule in entries.items()]
    words = np.frombuffer(b"".join(packed), dtype=np.uint64).reshape(-1, 2)
    zero = np.zeros(len(packed), dtype=np.uint64)
    mixed = _mix(_mix(zero, words[:, 0]), words[:, 1] & np.uint64(0xFFFFFFFF))
    hashes = _mix(mixed, zero) >> _HALF
    buckets = 1 << max(len(packed) // 2 - 1, 0).bit_length()
    for size in (buckets, buckets * 2, buckets * 4, buckets * 8):
        if size <= POLICY_BUCKETS:
            table = _placed(packed, (hashes & np.uint64(size - 1)).tolist(), size)
            if table is not None:
                return table, size - 1
    raise TableFull(
        f"the policies make {len(packed)} entries for the kernel, too many for its table of "
        f"{POLICY_BUCKETS * POLICY_WAYS}: use fewer distinct sets of labels, or namespaceSelectors without podSelector"
    )


def _mix(hashes: _Words, words: _Words) -> _Words:
    mixed = (hashes ^ words) * _GOLDEN
    return mixed ^ (mixed >> _SHIFT)


def _placed(packed: list[bytes], homes: list[int], buckets: int) -> bytes | None:
    """None if an entry would be further from its home than lookups go."""
    used = [0] * buckets
    table = bytearray(buckets * POLICY_WAYS * POLICY_ENTRY.size)
    for entry, home in zip(packed, homes, strict=True):
        for probe in range(min(POLICY_PROBES, buckets)):
            bucket = (home + probe) % buckets
            if used[bucket] < POLICY_WAYS:
                at = (bucket * POLICY_WAYS + used[bucket]) * POLICY_ENTRY.size
                table[at : at + POLICY_ENTRY.size] = entry
                used[bucket] += 1
                break
        else:
            return None
    return bytes(table)
