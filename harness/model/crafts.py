"""The catalogue of crafts: their names, and what may be said of each. ``harness.traffic.packet`` makes them."""

from collections.abc import Mapping

from harness.model.packet import Claim, Craft

_L, _V, _F = Claim.LEGAL, Claim.VARIANT, Claim.FORGED
_CLAIMS, _COVER = frozenset({"claims"}), frozenset({"cover"})

_ALL = (
    # What sockets would send as well: the twins of all others.
    Craft("tcp-syn", "a SYN", _L),
    Craft("udp", "a datagram", _L, "UDP"),
    Craft("icmp-echo", "an echo request", _L, "ICMP"),
    # Fragments.
    Craft("udp-fragments", "a datagram in three fragments, in order", _L, "UDP"),
    Craft("udp-fragments-tiny", "fragments of 8 bytes, the first with the ports", _L, "UDP"),
    Craft("udp-fragments-reversed", "the same datagram, last fragment first", _L, "UDP"),
    Craft("udp-fragment-last", "a last fragment without any other", _V, "UDP"),
    Craft("tcp-fragment-first", "a first fragment with the whole header, and no other", _V),
    Craft("tcp-fragments-tiny", "the flags only in the second fragment (RFC 1858)", _V),
    Craft("tcp-fragments-no-ports", "a first fragment that ends within the ports", _V),
    Craft("udp-fragments-rewritten", "a cover port first, then this port in its place (RFC 5722)", _V, "UDP", asks=_COVER),
    Craft("tcp-fragments-overlap", "a fragment that overwrites the flags judged before (RFC 3128)", _F),
    Craft("fragment-atomic", "a fragment header on a whole packet (RFC 6946)", _L, families=(6,)),
    Craft("udp-fragments-after-options", "destination options before the fragment header", _L, "UDP", families=(6,)),
    Craft("udp-fragments-hidden-ports", "options fill the first fragment, the ports are in the next (RFC 7112)", _V, "UDP",
          families=(6,)),
    # Flags and segments without a connection.
    Craft("tcp-syn-fin", "SYN and FIN in one segment", _F),
    Craft("tcp-syn-rst", "SYN and RST in one segment", _F),
    Craft("tcp-null", "no flag at all", _F),
    Craft("tcp-xmas", "FIN, PSH and URG without ACK", _F),
    Craft("tcp-fin", "FIN without ACK", _F),
    Craft("tcp-ack", "an ACK of no connection", _V),
    Craft("tcp-ack-low-port", "an ACK of no connection, from a port that servers listen on", _V),
    Craft("tcp-syn-ack", "a SYN+ACK that answers no SYN, from the port", _V, reverse=True),
    Craft("tcp-rst", "an RST of no connection", _V),
    Craft("tcp-rst-injected", "an RST in another pod's name", _F, asks=_CLAIMS),
    # Checksums and lengths.
    Craft("tcp-bad-checksum", "a wrong TCP checksum, which no router looks at", _V),
    Craft("udp-bad-checksum", "a wrong UDP checksum, which no router looks at", _V, "UDP"),
    Craft("udp-zero-checksum", "UDP without a checksum (RFC 768)", _L, "UDP", families=(4,)),
    Craft("ip-bad-checksum", "a wrong header checksum, which routers refuse (RFC 1812 5.2.2)", _F, families=(4,)),
    Craft("ip-length-short", "a total length below the header's", _F, families=(4,)),
    Craft("ip-length-long", "a length beyond the frame's end", _F),
    Craft("udp-length-long", "a UDP length beyond the packet's end", _V, "UDP"),
    Craft("tcp-offset-short", "a data offset within the header", _F),
    Craft("ip-trailer", "bytes of the frame after the packet's end", _L),
    # Options of IPv4, extension headers of IPv6.
    Craft("ip-record-route", "the record route option", _L, families=(4,)),
    Craft("ip-router-alert", "the router alert option (RFC 2113)", _L, families=(4,)),
    Craft("ip-source-route", "a loose source route (RFC 7126 4.3)", _V, families=(4,)),
    Craft("ip-option-unknown", "an option that nobody knows", _V, families=(4,)),
    Craft("hop-by-hop", "hop-by-hop options that only pad", _L, families=(6,)),
    Craft("destination-options", "destination options that only pad", _L, families=(6,)),
    Craft("routing-header", "a routing header of type 0 (RFC 5095)", _V, families=(6,)),
    Craft("extension-chain", "eight extension headers before TCP", _V, families=(6,)),
    Craft("tunnelled", "a SYN inside an IP packet inside an IP packet", _V),
    # Addresses.
    Craft("tcp-spoofed", "a SYN in another's name", _F, asks=_CLAIMS),
    Craft("udp-spoofed", "a datagram in another's name", _F, "UDP", asks=_CLAIMS),
    Craft("tcp-land", "a SYN that bears the server's own address (land)", _F),
    # ICMP about flows.
    Craft("icmp-error-known", "port unreachable, about a datagram that the server sent before", _L, "UDP", reverse=True),
    Craft("icmp-error-unknown", "port unreachable, about a datagram that nobody sent", _V, "UDP", reverse=True),
    Craft("icmp-error-foreign", "port unreachable, about what the server sent to another pod", _F, "UDP", asks=_CLAIMS),
    Craft("icmp-redirect", "a redirect, from a pod that is no router", _F, "UDP", reverse=True),
    Craft("icmp-echo-reply", "an echo reply to no request", _F, "ICMP", reverse=True),
    # Hops and frames.
    Craft("ttl-one", "a packet that no router may forward", _F),
    Craft("vlan-priority", "a VLAN tag with number 0, which stacks look past (IEEE 802.1Q)", _V),
    Craft("vlan-priority-twice", "two such tags", _V),
    Craft("vlan-tagged", "a VLAN tag of a VLAN that is none", _F),
    Craft("ethertype-wrong", "an IP packet in a frame of another protocol", _F),
    Craft("ethertype-swapped", "an IP packet in a frame of the other version's type", _F),
    Craft("mac-broadcast", "a frame to everybody, with a packet to one (RFC 1812 5.3.4)", _F),
    Craft("mac-source-foreign", "a frame with another's MAC address as its source", _L),
)  # fmt: skip

CRAFTS: Mapping[str, Craft] = {craft.name: craft for craft in _ALL}
