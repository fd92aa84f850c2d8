import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.mesh.hashtable import TableFull, build
from harness.mesh.layout import POLICY_BUCKETS, POLICY_ENTRY, TABLE_PROBES, TABLE_WAYS
from harness.mesh.policy import Entry

ENTRIES = st.builds(
    Entry, st.integers(16, 40), st.integers(0, 2**32 - 1), st.integers(0, 9), st.sampled_from([0, 6, 17]), st.integers(0, 1)
)
_MASK = 2**64 - 1


def _mix(hashed: int, word: int) -> int:
    mixed = (hashed ^ word) * 0x9E3779B97F4A7C15 & _MASK
    return mixed ^ mixed >> 29


def built(entries: dict[Entry, int], most_buckets: int = POLICY_BUCKETS) -> tuple[bytes, int]:
    packed = [POLICY_ENTRY.pack(*entry, rule) for entry, rule in entries.items()]
    return build(packed, POLICY_ENTRY.size, [entry[:12] + bytes(4) for entry in packed], most_buckets, "entries")


def find(table: bytes, mask: int, entry: Entry) -> int:
    """As find_rule of bpf/policy.h does."""
    packed = POLICY_ENTRY.pack(*entry, 0)
    who, what = int.from_bytes(packed[:8], "little"), int.from_bytes(packed[8:12], "little")
    home = (_mix(_mix(_mix(0, who), what), 0) >> 32) & mask
    for probe in range(TABLE_PROBES):
        bucket = (home + probe) & mask
        for way in range(TABLE_WAYS):
            found = POLICY_ENTRY.unpack_from(table, (bucket * TABLE_WAYS + way) * POLICY_ENTRY.size)
            if found[:5] == tuple(entry):
                return int(found[5])
            if found[0] == 0:
                return 0
    return 0


@given(st.dictionaries(ENTRIES, st.integers(1, 99), max_size=60), ENTRIES)
def test_what_is_built_is_found_and_nothing_else(entries: dict[Entry, int], other: Entry) -> None:
    table, mask = built(entries)
    assert len(table) == (mask + 1) * TABLE_WAYS * POLICY_ENTRY.size
    for entry, rule in entries.items():
        assert find(table, mask, entry) == rule
    assert find(table, mask, other) == entries.get(other, 0)


def test_a_large_table_is_found_whole() -> None:
    entries = {Entry(16 + n // 300, 16 + n % 300, 1, 6, 1): n + 1 for n in range(30_000)}
    table, mask = built(entries)
    assert all(find(table, mask, entry) == rule for entry, rule in entries.items())


def test_more_entries_than_the_map_holds_are_refused() -> None:
    with pytest.raises(TableFull, match="entries: 9 are too many for the kernel's table of 8"):
        built({Entry(16, n, 1, 6, 1): 1 for n in range(9)}, most_buckets=2)
