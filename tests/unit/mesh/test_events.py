from ipaddress import ip_address

from harness.mesh.events import decode
from harness.mesh.layout import DROP_EVENT


def test_an_event_is_read_field_by_field() -> None:
    source, destination = ip_address("10.0.0.1").packed + bytes(12), ip_address("10.0.0.2").packed + bytes(12)
    packed = DROP_EVENT.pack(5, source, destination, 16, 17, 3, 2, 9, b"\x30\x39", b"\x1f\x90", 4, 6, 2, 1)
    drop = decode(packed)
    assert (drop.source, drop.source_port) == ("10.0.0.1", 12345)
    assert (drop.destination, drop.destination_port) == ("10.0.0.2", 8080)
    assert (drop.time, drop.reason, drop.direction, drop.rule, drop.generation, drop.ifindex) == (5, 2, 1, 3, 2, 9)
    assert (drop.source_identity, drop.destination_identity) == (16, 17)


def test_an_ipv6_event_keeps_the_whole_address() -> None:
    packed = DROP_EVENT.pack(0, ip_address("fd00::1").packed, ip_address("::1").packed, *[0] * 5, b"\0\0", b"\0\0", 6, 17, 1, 0)
    assert decode(packed).source == "fd00::1"
