"""Changes to a frame's bytes, by name. Each keeps what the kernel's test run asks for: a whole IP header."""

import random
from collections.abc import Callable

Change = Callable[[bytearray, random.Random], None]


def _shortest(frame: bytearray) -> int:
    return 54 if frame[12:14] == b"\x86\xdd" else 34


def _byte(frame: bytearray, chance: random.Random) -> None:
    frame[chance.randrange(14, len(frame))] = chance.randrange(256)


def _bit(frame: bytearray, chance: random.Random) -> None:
    frame[chance.randrange(12, len(frame))] ^= 1 << chance.randrange(8)


def _cut(frame: bytearray, chance: random.Random) -> None:
    del frame[chance.randrange(_shortest(frame), len(frame) + 1) :]


def _trailer(frame: bytearray, chance: random.Random) -> None:
    frame += bytes(chance.randrange(1, 24))


def _is_v6(frame: bytearray) -> bool:
    return frame[12:14] == b"\x86\xdd"


def _length(frame: bytearray, chance: random.Random) -> None:
    at = 18 if _is_v6(frame) else 16
    right = len(frame) - (54 if _is_v6(frame) else 14)
    value = chance.choice((0, 1, 19, 20, 28, 40, right - 1, right + 1, right - 8, right - 20, 0xFFFF))
    frame[at : at + 2] = max(value, 0).to_bytes(2, "big")


def _header_length(frame: bytearray, chance: random.Random) -> None:
    frame[14] = chance.choice((0x40, 0x44, 0x45, 0x46, 0x4F, 0x55, 0x60, 0x65))


def _protocol(frame: bytearray, chance: random.Random) -> None:
    frame[20 if _is_v6(frame) else 23] = chance.choice((0, 1, 6, 17, 43, 44, 47, 51, 58, 59, 60, 132, 255))


def _fragment(frame: bytearray, chance: random.Random) -> None:
    if _is_v6(frame):
        if frame[20] == 44 and len(frame) >= 62:
            frame[56:58] = chance.choice((0, 1, 8, 9, 16, 17, 24, 25, 0xFFF8)).to_bytes(2, "big")
    else:
        frame[20:22] = chance.choice((0, 0x2000, 1, 2, 3, 0x2001, 0x2003, 0x4000, 0x8000, 0x1FFF)).to_bytes(2, "big")


def _time_to_live(frame: bytearray, chance: random.Random) -> None:
    frame[21 if _is_v6(frame) else 22] = chance.choice((0, 1, 2, 64, 254, 255))


def _transport(frame: bytearray) -> int:
    return 54 if _is_v6(frame) else 14 + (frame[14] & 15) * 4


def _flags(frame: bytearray, chance: random.Random) -> None:
    if _transport(frame) + 13 < len(frame):
        frame[_transport(frame) + 13] = chance.randrange(256)


def _data_offset(frame: bytearray, chance: random.Random) -> None:
    if _transport(frame) + 12 < len(frame):
        frame[_transport(frame) + 12] = chance.randrange(16) << 4


def _port(frame: bytearray, chance: random.Random) -> None:
    at = _transport(frame) + chance.choice((0, 2))
    if at + 2 <= len(frame):
        frame[at : at + 2] = ((int.from_bytes(frame[at : at + 2], "big") + chance.choice((-1, 1))) & 0xFFFF).to_bytes(2, "big")


def _icmp_type(frame: bytearray, chance: random.Random) -> None:
    if _transport(frame) < len(frame):
        frame[_transport(frame)] = chance.choice((0, 3, 5, 8, 11, 12, 13, 1, 2, 4, 128, 129, 130, 133, 134, 135, 143))


def _address(frame: bytearray, chance: random.Random) -> None:
    """The next or last address: another pod's, or across the edge of a block."""
    end = chance.choice((38, 54) if _is_v6(frame) else (30, 34))
    frame[end - 1] = (frame[end - 1] + chance.choice((-1, 1))) & 0xFF


def _checksum(frame: bytearray, chance: random.Random) -> None:
    frame[24:26] = chance.randbytes(2)


def _chain(frame: bytearray, chance: random.Random) -> None:
    """Next header and length of the first extension header."""
    if _is_v6(frame) and frame[20] in (0, 44, 51, 60) and len(frame) > 56:
        frame[54] = chance.choice((0, 6, 17, 43, 44, 51, 59, 60))
        frame[55] = chance.choice((0, 1, 2, 255))


MUTATIONS: dict[str, Change] = {
    "byte": _byte, "bit": _bit, "truncation": _cut, "trailer": _trailer, "length": _length,
    "header length": _header_length, "protocol": _protocol, "fragment offset": _fragment, "TTL": _time_to_live,
    "TCP flags": _flags, "data offset": _data_offset, "port": _port, "ICMP type": _icmp_type, "address": _address,
    "checksum": _checksum, "extension header": _chain,
}  # fmt: skip


def mutated(frame: bytes, chance: random.Random) -> tuple[bytes, tuple[str, ...]]:
    """The frame after one to three changes, and their names."""
    names = tuple(chance.choice(tuple(MUTATIONS)) for _ in range(chance.choice((1, 1, 1, 2, 3))))
    changed = bytearray(frame)
    for name in names:
        if len(changed) > _shortest(changed):
            MUTATIONS[name](changed, chance)
    if len(changed) < _shortest(changed):
        changed += bytes(_shortest(changed) - len(changed))
    return bytes(changed), names
