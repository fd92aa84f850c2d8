"""Messages for the kernel, read back by the rules of netlink(7)."""

import struct

import pytest

from harness.lab import netlink
from harness.lab.netlink import End, Message

ETH0 = End("eth0", 2, "0a:58:00:01:00:00")
HOST = End("p0-a", 7, "0e:58:00:01:00:00")


def attributes(data: bytes) -> dict[int, bytes]:
    """Type to payload, by the rules of netlink(7), written a second time."""
    found = {}
    while data:
        length, kind = struct.unpack_from("=HH", data)
        found[kind] = data[4:length]
        data = data[-(-length // 4) * 4 :]
    return found


def test_a_veth_names_both_ends_and_the_namespace_of_the_other() -> None:
    message = netlink.veth(ETH0, HOST, namespace=99)
    assert message.body[:16] == struct.pack("=BxHiII", 0, 0, 2, 1, 1), "index 2, up"
    outer = attributes(message.body[16:])
    assert outer[3] == b"eth0\0"
    assert outer[1] == bytes.fromhex("0a5800010000")
    info = attributes(outer[18])
    assert info[1] == b"veth\0"
    peer = attributes(info[2])[1]
    assert peer[:16] == struct.pack("=BxHiII", 0, 0, 7, 0, 0), "index 7, not up: the kernel refuses it before its peer is there"
    assert attributes(peer[16:]) == {3: b"p0-a\0", 1: bytes.fromhex("0e5800010000"), 28: struct.pack("=I", 99)}


@pytest.mark.parametrize(
    ("message", "header", "expected"),
    [
        (
            netlink.route("0.0.0.0/0", 2, gateway="169.254.1.1"),
            struct.pack("=8BI", 2, 0, 0, 0, 254, 4, 0, 1, 4),
            {1: bytes(4), 4: struct.pack("=I", 2), 5: bytes([169, 254, 1, 1])},
        ),
        (
            netlink.route("10.1.0.2/32", 7, source="10.1.0.1"),
            struct.pack("=8BI", 2, 32, 0, 0, 254, 4, 253, 1, 0),
            {1: bytes([10, 1, 0, 2]), 4: struct.pack("=I", 7), 7: bytes([10, 1, 0, 1])},
        ),
        (
            netlink.neighbour(2, "fe80::1", "0e:58:00:01:00:00"),
            struct.pack("=BxxxiHBB", 10, 2, 0x80, 0, 0),
            {1: bytes.fromhex("fe80" + "00" * 13 + "01"), 2: bytes.fromhex("0e5800010000")},
        ),
    ],
)
def test_messages_hold_what_they_say(message: Message, header: bytes, expected: dict[int, bytes]) -> None:
    assert message.body[: len(header)] == header
    assert attributes(message.body[len(header) :]) == expected


def test_an_address_is_usable_at_once() -> None:
    message = netlink.address(2, "fd00:10:1::2/128")
    family, prefix, flags, _, index = struct.unpack_from("=BBBBi", message.body)
    assert (family, prefix, index) == (10, 128, 2)
    assert flags & 0x02, "no duplicate address detection"
