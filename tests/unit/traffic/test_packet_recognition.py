from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.layers.l2 import Dot1Q, Ether

from harness.model.packet import Arrived
from harness.traffic.packet.fragments import cut
from harness.traffic.packet.headers import datagram, framed, upper_bytes
from harness.traffic.packet.recognition import arrived, piece, recognised
from harness.traffic.packet.registry import MAKERS
from harness.traffic.packet.shot import Frames, Shot

FAMILIES = pytest.mark.parametrize("family", [4, 6])
ADDRESSES = {4: ("10.0.0.1", "10.0.0.2"), 6: ("fd00::1", "fd00::2")}


def shot(family: int) -> Shot:
    client, server = ADDRESSES[family]
    return Shot(family, client, server, client, "02:00:00:00:00:0a", "02:00:00:00:00:0b", 53, 54, 61000, bytes(range(128, 144)))


def fragments(family: int, *at: int) -> Frames:
    data = upper_bytes(shot(family), datagram(shot(family)) / (shot(family).marker * 4))
    return Frames(framed(shot(family), *cut(shot(family), data, *at)).frames, fragments=True)


CUTS = st.sets(st.integers(1, 10), min_size=1).map(sorted)


@FAMILIES
@given(at=CUTS)
def test_fragments_are_whole_however_they_are_cut_and_in_whatever_order(family: int, at: list[int]) -> None:
    frames = fragments(family, *at)
    assert arrived(shot(family), frames, frames.frames[::-1]) == (Arrived.WHOLE, len(at) + 1)


@FAMILIES
@given(at=CUTS, data=st.data())
def test_fragments_are_a_part_where_any_is_missing(family: int, at: list[int], data: st.DataObject) -> None:
    frames = fragments(family, *at)
    missing = data.draw(st.integers(0, len(at)))
    came = [frame for number, frame in enumerate(frames.frames) if number != missing]
    assert arrived(shot(family), frames, came)[0] is Arrived.PART


@FAMILIES
@given(at=CUTS, again=CUTS)
def test_fragments_that_a_node_cut_anew_are_whole(family: int, at: list[int], again: list[int]) -> None:
    frames, others = fragments(family, *at), fragments(family, *again)
    assert arrived(shot(family), frames, others.frames)[0] is Arrived.WHOLE


def test_fragments_that_a_node_gave_another_identification_are_known_by_half_a_marker() -> None:
    frames = fragments(6, *range(1, 11))
    renamed = []
    for frame in map(Ether, frames.frames):
        frame[IPv6ExtHdrFragment].id = 77
        renamed.append(bytes(frame))
    assert arrived(shot(6), frames, renamed) == (Arrived.WHOLE, 11)


@FAMILIES
def test_a_datagram_that_a_node_put_together_is_whole(family: int) -> None:
    whole = MAKERS["udp"](shot(family)).frames
    assert arrived(shot(family), fragments(family, 3), whole)[0] is Arrived.WHOLE


@FAMILIES
def test_frames_of_other_shots_are_not_recognised(family: int) -> None:
    other = replace(shot(family), marker=bytes(range(32, 48)))
    frames = MAKERS["udp-fragments"](other)
    assert recognised(shot(family), frames, MAKERS["udp-fragments"](shot(family)).frames[:0]) == []
    assert arrived(shot(family), MAKERS["udp-fragments"](shot(family)), frames.frames) == (Arrived.NOTHING, 0)


@FAMILIES
def test_a_fragment_behind_a_vlan_tag_is_seen(family: int) -> None:
    frame = Ether(fragments(family, 3).frames[1])
    tagged = Ether(src=frame.src, dst=frame.dst) / Dot1Q(vlan=5) / frame.payload
    assert piece(bytes(tagged)) == piece(bytes(frame))
    assert piece(bytes(frame)) is not None


@given(st.binary(max_size=80))
def test_no_bytes_are_too_strange_to_look_at(data: bytes) -> None:
    for kind in (b"\x08\x00", b"\x86\xdd", b"\x81\x00"):
        piece(bytes(12) + kind + data)
