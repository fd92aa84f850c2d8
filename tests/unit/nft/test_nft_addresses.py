"""Intervals of addresses against the sets that they stand for."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.nft.addresses import EVERYBODY, NOBODY, Addresses, block, hosts, text

_SETS = st.frozensets(st.integers(0, 40))


def _addresses(numbers: frozenset[int]) -> Addresses:
    return hosts(str(ip_address(number)) for number in numbers)


def _numbers(addresses: Addresses) -> set[int]:
    return {number for first, last in addresses.v4 for number in range(first, last + 1)}


@given(_SETS, _SETS)
def test_intervals_behave_as_sets(left: frozenset[int], right: frozenset[int]) -> None:
    a, b = _addresses(left), _addresses(right)
    assert _numbers(a | b) == left | right
    assert _numbers(a & b) == left & right
    assert _numbers(a - b) == left - right
    assert EVERYBODY - (EVERYBODY - a) == a


def test_neighbours_become_one_interval() -> None:
    assert (block("10.0.0.0/25") | block("10.0.0.128/25")) == block("10.0.0.0/24")


def test_nothing_is_left_of_everybody_without_everybody() -> None:
    assert EVERYBODY - EVERYBODY == NOBODY


def test_an_address_without_length_is_one_address() -> None:
    assert block("fd00::1") == hosts(["fd00::1"])


def test_host_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="host bits"):
        block("10.0.0.1/24")


def test_elements_are_written_as_nftables_reads_them() -> None:
    assert [text(interval, 4) for interval in block("10.0.0.0/30").v4] == ["10.0.0.0-10.0.0.3"]
    assert [text(interval, 6) for interval in hosts(["fd00::1"]).v6] == ["fd00::1"]
