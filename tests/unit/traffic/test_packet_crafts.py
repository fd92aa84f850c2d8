"""Every craft, taken apart again by scapy: it is what its name says."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, TCPerror, UDPerror
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_Redirect,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPerror6,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Padding, Raw

from harness.model.crafts import CRAFTS
from harness.traffic.packet.recognition import piece
from harness.traffic.packet.registry import MAKERS
from harness.traffic.packet.shot import Frames, Shot

CLIENT, SERVER, OTHER = {4: "10.1.0.10", 6: "fd00::a"}, {4: "10.1.0.11", 6: "fd00::b"}, {4: "10.1.0.12", 6: "fd00::c"}
MAC, GATEWAY = "0a:58:00:01:00:00", "0e:58:00:01:00:00"
MARKER = bytes(range(0x81, 0x91))
PORT, COVER, NUMBER = 8080, 5353, 61001
EVERY = [(name, family) for name, craft in CRAFTS.items() for family in craft.families]


def shot(family: int, craft: str) -> Shot:
    claimed = OTHER if "claims" in CRAFTS[craft].asks else CLIENT
    return Shot(family, CLIENT[family], SERVER[family], claimed[family], MAC, GATEWAY, PORT, COVER, NUMBER, MARKER)


def made(craft: str, family: int = 4) -> Frames:
    return MAKERS[craft](shot(family, craft))


def only(craft: str, family: int = 4) -> Packet:
    (frame,) = made(craft, family).frames
    return Ether(frame)


def pieces(craft: str, family: int) -> list[tuple[int, int, bool]]:
    return [(found.begin, found.end, found.last) for found in map(piece, made(craft, family).frames) if found]


def fragment_data(craft: str, family: int) -> list[bytes]:
    return [frame[-(found.end - found.begin) :] for frame in made(craft, family).frames if (found := piece(frame))]


def test_the_catalogue_and_the_makers_name_the_same_crafts() -> None:
    assert CRAFTS.keys() == MAKERS.keys()


@pytest.mark.parametrize(("craft", "family"), EVERY)
def test_each_craft_is_addressed_to_the_server_and_bears_the_marker(craft: str, family: int) -> None:
    frames = made(craft, family)
    assert any(MARKER in frame for frame in frames.frames) or MARKER in b"".join(fragment_data(craft, family))
    for frame in frames.frames:
        header = Ether(frame).getlayer(IP if family == 4 else IPv6)
        if header is None or craft.startswith("ethertype"):
            assert craft.startswith("ethertype")
        else:
            assert header.dst == SERVER[family]


@pytest.mark.parametrize(("craft", "family"), EVERY)
def test_each_craft_is_the_same_for_the_same_shot(craft: str, family: int) -> None:
    assert made(craft, family) == made(craft, family)


@pytest.mark.parametrize(("craft", "family"), EVERY)
def test_crafts_bear_the_clients_addresses_unless_they_claim_others(craft: str, family: int) -> None:
    for frame in map(Ether, made(craft, family).frames):
        header = frame.getlayer(IP if family == 4 else IPv6)
        claims = {"tcp-land": SERVER}.get(craft, OTHER if "spoofed" in craft or "injected" in craft else CLIENT)
        if not craft.startswith("ethertype"):
            assert header.src == claims[family]
        assert frame.src == ("02:00:00:00:00:01" if craft == "mac-source-foreign" else MAC)
        assert frame.dst == ("ff:ff:ff:ff:ff:ff" if craft == "mac-broadcast" else GATEWAY)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("craft", "flags"),
    [("tcp-syn", "S"), ("tcp-syn-fin", "FS"), ("tcp-syn-rst", "SR"), ("tcp-null", ""), ("tcp-xmas", "FPU"), ("tcp-fin", "F"),
     ("tcp-ack", "A"), ("tcp-ack-low-port", "A"), ("tcp-syn-ack", "SA"), ("tcp-rst", "R"), ("tcp-rst-injected", "R"),
     ("tcp-syn-ecn", "SEC"), ("tcp-all-flags", "FSRPAU"),
     ("tcp-spoofed", "S"), ("tcp-land", "S"), ("ip-trailer", "S"), ("ttl-one", "S")],
)  # fmt: skip
def test_segments_have_the_flags_of_their_names(craft: str, flags: str, family: int) -> None:
    assert only(craft, family)[TCP].flags == flags


@pytest.mark.parametrize(
    ("craft", "ports"),
    [
        ("tcp-syn", (NUMBER, PORT)),
        ("tcp-ack-low-port", (2001, PORT)),
        ("tcp-syn-ack", (PORT, NUMBER)),
        ("tcp-land", (PORT, PORT)),
    ],
)
def test_segments_have_the_ports_of_their_names(craft: str, ports: tuple[int, int]) -> None:
    segment = only(craft)[TCP]
    assert (segment.sport, segment.dport) == ports


def rebuilt(packet: Packet, layer: type[Packet]) -> int | None:
    """The checksum that scapy would compute."""
    fresh = packet.copy()
    del fresh[layer].chksum
    return int(Ether(bytes(fresh))[layer].chksum)


@pytest.mark.parametrize(
    ("craft", "layer"),
    [("tcp-bad-checksum", TCP), ("udp-bad-checksum", UDP), ("udp-zero-checksum", UDP), ("ip-bad-checksum", IP)],
)
def test_checksums_are_wrong_where_they_are_meant_to_be(craft: str, layer: type[Packet]) -> None:
    packet = only(craft)
    assert packet[layer].chksum != rebuilt(packet, layer)
    assert (packet[layer].chksum == 0) == (craft == "udp-zero-checksum")


@pytest.mark.parametrize(
    ("craft", "family"), [each for each in EVERY if each[0] in ("tcp-syn", "udp", "mac-broadcast", "vlan-priority")]
)
def test_other_checksums_are_right(craft: str, family: int) -> None:
    packet = only(craft, family)
    layer = UDP if UDP in packet else TCP
    assert packet[layer].chksum == rebuilt(packet, layer)


CHECKS: dict[tuple[str, int], Callable[[Packet], bool]] = {
    ("ip-length-short", 4): lambda packet: packet[IP].len < 20,
    ("ip-length-long", 4): lambda packet: packet[IP].len > len(packet),
    ("ip-length-long", 6): lambda packet: packet[IPv6].plen > len(packet),
    ("udp-length-long", 4): lambda packet: packet[UDP].len > len(packet),
    ("tcp-offset-short", 4): lambda packet: packet[TCP].dataofs == 4,
    ("udp-length-short", 4): lambda packet: packet[UDP].len < 8,
    ("tcp-offset-long", 4): lambda packet: packet[TCP].dataofs * 4 > len(packet[TCP]),
    ("ip-header-short", 4): lambda packet: packet[IP].ihl == 4,
    ("icmp-bad-checksum", 4): lambda packet: packet[ICMP].chksum == 0x1BAD and packet[ICMP].type == 8,
    ("icmp-bad-checksum", 6): lambda packet: packet[ICMPv6EchoRequest].cksum == 0x1BAD,
    ("ip-strict-source-route", 4): lambda packet: bytes(packet[IP])[20] == 137,
    ("ip-timestamp", 4): lambda packet: bytes(packet[IP])[20:24] == b"\x44\x08\x05\x00" and packet[TCP].dport == PORT,
    ("ip-option-long", 4): lambda packet: packet[IP].ihl == 6 and bytes(packet[IP])[20:22] == b"\x07\xff",
    ("routing-header-spent", 6): lambda packet: packet[IPv6ExtHdrRouting].segleft == 0 and packet[TCP].dport == PORT,
    ("home-address", 6): lambda packet: SERVER[6] in [getattr(each, "hoa", "") for each in packet[IPv6ExtHdrDestOpt].options],
    ("authentication-header", 4): lambda packet: packet[IP].proto == 51 and TCP(bytes(packet[IP].payload)[24:]).dport == PORT,
    ("authentication-header", 6): lambda packet: packet[IPv6].nh == 51 and TCP(bytes(packet[IPv6].payload)[24:]).dport == PORT,
    ("icmp-too-big", 4): lambda packet: (packet[ICMP].type, packet[ICMP].code) == (3, 4),
    ("icmp-too-big", 6): lambda packet: packet[ICMPv6PacketTooBig].mtu == 1400,
    ("icmp-time-exceeded", 4): lambda packet: packet[ICMP].type == 11,
    ("icmp-time-exceeded", 6): lambda packet: ICMPv6TimeExceeded in packet,
    ("icmp-error-connection", 4): lambda packet: packet[TCPerror].dport == PORT and packet[IPerror].src == SERVER[4],
    ("icmp-error-of-error", 4): lambda packet: packet[IPerror].proto == 1 and packet[IPerror].src == SERVER[4],
    ("icmp-neighbour", 6): lambda packet: packet[IPv6].hlim == 255 and packet[ICMPv6ND_NA].tgt == CLIENT[6],
    ("ttl-zero", 4): lambda packet: packet[IP].ttl == 0,
    ("vlan-service", 4): lambda packet: packet.type == 0x88A8 and packet[Dot1AD].vlan == 0 and packet[Dot1AD].type == 0x800,
    ("vlan-q-in-q", 6): lambda packet: (packet[Dot1AD].vlan, packet[Dot1Q].vlan) == (0, 0) and TCP in packet,
    ("vlan-q-in-q-tagged", 4): lambda packet: (packet[Dot1AD].vlan, packet[Dot1Q].vlan) == (5, 5),
    ("ip-trailer", 4): lambda packet: len(packet[Padding]) == 32,
    ("ip-record-route", 4): lambda packet: packet[IP].ihl == 8 and bytes(packet[IP])[20] == 7,
    ("ip-router-alert", 4): lambda packet: packet[IP].ihl == 6 and bytes(packet[IP])[20] == 148,
    ("ip-source-route", 4): lambda packet: bytes(packet[IP])[20] == 131,
    ("ip-option-unknown", 4): lambda packet: packet[IP].ihl == 6 and bytes(packet[IP])[20] == 0x9E,
    ("hop-by-hop", 6): lambda packet: packet[IPv6].nh == 0 and packet[IPv6ExtHdrHopByHop].nh == 6,
    ("hop-by-hop-discard", 6): lambda packet: packet[IPv6].nh == 0 and bytes(packet[IPv6].payload)[2] >> 6 == 0b10,
    ("destination-options", 6): lambda packet: packet[IPv6].nh == 60 and packet[IPv6ExtHdrDestOpt].nh == 6,
    ("routing-header", 6): lambda packet: packet[IPv6ExtHdrRouting].segleft == 1,
    ("extension-chain", 6): lambda packet: packet.getlayer(IPv6ExtHdrDestOpt, 8).nh == 6,
    ("fragment-atomic", 6): lambda packet: (packet[IPv6ExtHdrFragment].offset, packet[IPv6ExtHdrFragment].m) == (0, 0),
    ("tunnelled", 4): lambda packet: packet[IP].proto == 4 and packet.getlayer(IP, 2)[TCP].dport == PORT,
    ("tunnelled", 6): lambda packet: packet[IPv6].nh == 41 and packet.getlayer(IPv6, 2)[TCP].dport == PORT,
    ("ttl-one", 4): lambda packet: packet[IP].ttl == 1,
    ("ttl-one", 6): lambda packet: packet[IPv6].hlim == 1,
    ("vlan-priority", 4): lambda packet: packet[Dot1Q].vlan == 0 and packet[Dot1Q].type == 0x800,
    ("vlan-priority-twice", 6): lambda packet: packet.getlayer(Dot1Q, 2).vlan == 0 and TCP in packet,
    ("vlan-tagged", 4): lambda packet: packet[Dot1Q].vlan == 5,
    ("ethertype-wrong", 4): lambda packet: packet.type == 0x88CC and bytes(packet.payload)[0] == 0x45,
    ("ethertype-swapped", 4): lambda packet: packet.type == 0x86DD and bytes(packet)[14] == 0x45,
    ("ethertype-swapped", 6): lambda packet: packet.type == 0x800 and bytes(packet)[14] == 0x60,
    ("icmp-echo", 4): lambda packet: packet[ICMP].type == 8 and packet[ICMP].id == NUMBER,
    ("icmp-echo", 6): lambda packet: packet[ICMPv6EchoRequest].id == NUMBER,
    ("icmp-echo-reply", 4): lambda packet: packet[ICMP].type == 0 and packet[ICMP].id == NUMBER,
    ("icmp-echo-reply", 6): lambda packet: packet[ICMPv6EchoReply].id == NUMBER,
    ("icmp-redirect", 4): lambda packet: (packet[ICMP].type, packet[ICMP].gw) == (5, CLIENT[4]),
    ("icmp-redirect", 6): lambda packet: packet[IPv6].hlim == 255 and packet[ICMPv6ND_Redirect].tgt == CLIENT[6],
}  # fmt: skip


@pytest.mark.parametrize(("craft", "family"), CHECKS)
def test_headers_are_as_the_name_says(craft: str, family: int) -> None:
    assert CHECKS[craft, family](only(craft, family))


@pytest.mark.parametrize(
    ("craft", "receiver"),
    [
        ("icmp-error-known", CLIENT),
        ("icmp-error-unknown", CLIENT),
        ("icmp-error-foreign", OTHER),
        ("icmp-error-foreign-known", OTHER),
    ],
)
@pytest.mark.parametrize("family", [4, 6])
def test_errors_quote_what_the_server_sent(craft: str, receiver: dict[int, str], family: int) -> None:
    packet = only(craft, family)
    if family == 4:
        assert (packet[ICMP].type, packet[ICMP].code) == (3, 3)
        quoted = packet[IPerror]
    else:
        assert (packet[ICMPv6DestUnreach].type, packet[ICMPv6DestUnreach].code) == (1, 4)
        quoted = packet[IPerror6]
    assert (quoted.src, quoted.dst) == (SERVER[family], receiver[family])
    assert (quoted[UDPerror].sport, quoted[UDPerror].dport) == (NUMBER, PORT)


OWN = {
    "icmp-error-known": (SERVER, CLIENT), "icmp-error-connection": (SERVER, CLIENT), "icmp-too-big": (SERVER, CLIENT),
    "icmp-time-exceeded": (SERVER, CLIENT), "icmp-error-foreign-known": (SERVER, OTHER), "udp-spoofed-known": (OTHER, SERVER),
    "udp-fragment-injected": (OTHER, SERVER), "tcp-rst-injected-known": (OTHER, SERVER),
}  # fmt: skip
"""Who sends first, and to whom: what is judged then seems to be of that flow."""


@pytest.mark.parametrize(("craft", "family"), EVERY)
def test_what_is_sent_first_bears_its_senders_own_address_and_nothing_that_is_judged(craft: str, family: int) -> None:
    prelude = made(craft, family).prelude
    assert len(prelude) == (craft in OWN)
    for sent in prelude:
        source, destination = OWN[craft]
        header = (IP if family == 4 else IPv6)(sent)
        assert (header.src, header.dst) == (source[family], destination[family])
        assert MARKER not in sent
        assert MARKER[::-1] in sent


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("craft", ["udp-spoofed-known", "tcp-rst-injected-known"])
def test_a_known_flow_is_joined_by_its_ports(craft: str, family: int) -> None:
    layer = UDP if craft.startswith("udp") else TCP
    begun = (IP if family == 4 else IPv6)(made(craft, family).prelude[0])[layer]
    forged = only(craft, family)[layer]
    assert (forged.sport, forged.dport) == (begun.sport, begun.dport) == (NUMBER, PORT)
    assert layer is UDP or (begun.flags, forged.flags, forged.seq) == ("S", "R", begun.seq + 1)


@pytest.mark.parametrize("family", [4, 6])
def test_an_injected_fragment_has_the_name_and_the_end_of_anothers_datagram(family: int) -> None:
    craft = made("udp-fragment-injected", family)
    first, last = (
        piece(bytes(14)[:12] + (b"\x08\x00" if family == 4 else b"\x86\xdd") + craft.prelude[0]),
        piece(craft.frames[0]),
    )
    assert first is not None
    assert last is not None
    assert (first.identification, first.begin, first.end, first.last) == (last.identification, 0, last.begin, False)
    assert last.last


@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize(("craft", "more"), [("ttl-spent", 0), ("ttl-enough", 1)])
def test_hops_are_those_of_the_way(craft: str, more: int, hops: int) -> None:
    (frame,) = MAKERS[craft](replace(shot(4, craft), hops=hops)).frames
    assert Ether(frame)[IP].ttl == hops + more


FRAGMENTS: dict[str, Sequence[tuple[int, int, bool]]] = {
    "udp-fragments": [(0, 24, False), (24, 48, False), (48, 72, True)],
    "udp-fragments-reversed": [(48, 72, True), (24, 48, False), (0, 24, False)],
    "udp-fragments-tiny": [(at, at + 8, at == 64) for at in range(0, 72, 8)],
    "udp-fragments-overlap": [(0, 32, False), (24, 72, True)],
    "udp-fragments-too-long": [(0, 24, False), (65520, 65568, True)],
    "udp-fragment-last": [(48, 72, True)],
    "udp-fragments-rewritten": [(0, 24, False), (0, 24, False), (24, 40, True)],
    "tcp-fragment-first": [(0, 40, False)],
    "tcp-fragments-tiny": [(0, 8, False), (8, 36, True)],
    "tcp-fragments-no-ports": [(0, 2, False), (8, 36, True)],
    "tcp-fragments-overlap": [(0, 24, False), (8, 36, True)],
}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("craft", FRAGMENTS)
def test_fragments_are_cut_where_they_should_be(craft: str, family: int) -> None:
    assert pieces(craft, family) == list(FRAGMENTS[craft])


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("craft", ["udp-fragments", "udp-fragments-reversed", "udp-fragments-tiny"])
def test_a_fragmented_datagram_is_whole_again_with_a_right_checksum(craft: str, family: int) -> None:
    parts = sorted(zip(pieces(craft, family), fragment_data(craft, family), strict=True))
    datagram = UDP(b"".join(data for _, data in parts))
    assert (datagram.dport, datagram.len, len(datagram)) == (PORT, 72, 72)
    whole = Ether() / (IP if family == 4 else IPv6)(src=CLIENT[family], dst=SERVER[family]) / datagram
    assert whole[UDP].chksum == rebuilt(whole, UDP)


def test_fragments_behind_options_are_a_datagram_again() -> None:
    frames = [Ether(frame) for frame in made("udp-fragments-after-options", 6).frames]
    assert all(IPv6ExtHdrFragment in frame[IPv6ExtHdrDestOpt] for frame in frames)
    datagram = UDP(b"".join(fragment_data("udp-fragments-after-options", 6)))
    assert (datagram.dport, datagram[Raw].load[:16]) == (PORT, MARKER)


def test_hidden_ports_come_in_the_second_fragment() -> None:
    first, second = fragment_data("udp-fragments-hidden-ports", 6)
    assert IPv6ExtHdrDestOpt(first).len == len(first) // 8 - 1
    assert UDP(second).dport == PORT


@pytest.mark.parametrize("family", [4, 6])
def test_what_is_rewritten_shows_the_cover_port_first_and_marks_only_the_other(family: int) -> None:
    shown, judged, rest = fragment_data("udp-fragments-rewritten", family)
    assert (UDP(shown).dport, UDP(judged).dport) == (COVER, PORT)
    assert [MARKER in each for each in (shown, judged, rest)] == [False, True, False]


@pytest.mark.parametrize("family", [4, 6])
def test_an_overlap_turns_an_ack_into_a_syn(family: int) -> None:
    shown, judged = fragment_data("tcp-fragments-overlap", family)
    assert TCP(shown).flags == "A"
    assert TCP(shown[:8] + judged).flags == "S"
    assert MARKER not in shown
