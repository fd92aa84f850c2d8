"""Keys and values of the BPF maps as Python packs them. bpf/*.h is the source; a test compares both by BTF."""

import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import numpy as np

SCHEMA = 4
"""Part of every pin's path; counted up when a map's layout changes, for a reopened map must be what it was."""

U32 = struct.Struct("=I")
ENDPOINT = struct.Struct("=IHHHxx")  # identity, hop, flags, CIDR class
ENDPOINT_ENTRIES = {4: struct.Struct("=4s12s"), 6: struct.Struct("=16s12s4x")}  # address, endpoint
HOP = struct.Struct("=IHH6s6s")  # ifindex, kind, MTU, destination MAC, source MAC
SUBJECT = struct.Struct("=IHH")  # rule, shapes, class
POLICY_ENTRY = struct.Struct("=IIHBBI")  # subject class, peer class, port class, protocol, direction, rule
CONFIG = struct.Struct("=IIIIIIIII")  # generation, seed, policy mask of each bank, endpoint mask of each bank and family, proxy
CIDR_KEY = struct.Struct("=II16s")  # prefix length, bank, address
DROP_EVENT = struct.Struct("=Q16s16sIIIII2s2sBBBBxxxx")

_CONNTRACK_KEYS = {family: [("address", f"V{size}", 2), ("ports_and_protocol", "V8")] for family, size in ((4, 4), (6, 16))}
CONNTRACK = {
    4: np.dtype([("key", _CONNTRACK_KEYS[4], 4), ("verdict", "u8", 4), ("rest", "V32")]),
    6: np.dtype([("key", _CONNTRACK_KEYS[6], 4), ("pad", "V32"), ("verdict", "u8", 4), ("rest", "V32")]),
}
"""A set of conntrack, by family: of each of its four ways the ends' addresses, and the verdict, which is 0 for none."""

BANKS = 2
DIRECTIONS = 2
IDENTITIES = 16384
HOPS = 8192
POLICY_BUCKETS = 65536
ENDPOINT_BUCKETS = 16384
TABLE_WAYS = 4
TABLE_PROBES = 8

HOST_IDENTITY = 1
WORLD_IDENTITY = 2
FIRST_IDENTITY = 16

ENDPOINT_LOCAL = 1
ENDPOINT_HOST = 2

HOP_STACK = 0
HOP_POD = 1
HOP_WIRE = 2

PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
PORT_TABLES = tuple(PROTOCOLS)
"""In the order of their tables in ``port_classes``."""

ICMP_PROTOCOLS = {4: 1, 6: 58}
"""By family."""

ENTRY_DENIES = 2
"""Added to the direction of a policy entry that denies."""

RULE_REQUESTS = 0x8000_0000
"""Added to the rule of a policy entry that allows requests, not the flow."""

PROXY_MARK = 0x200
"""What packets carry that belong to the node's proxy."""

PEER_IS_CIDR = 0x8000_0000
CIDR_BANK_BITS = 32

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def cidr_key(bank: int, network: Network) -> bytes:
    """The key of ``cidrs``; IPv4 lies in ::ffff:0:0/96."""
    packed = network.network_address.packed
    length = network.prefixlen
    if network.version == 4:
        packed, length = b"\0" * 10 + b"\xff\xff" + packed, length + 96
    return CIDR_KEY.pack(CIDR_BANK_BITS + length, bank, packed)


def event_address(family: int, packed: bytes) -> str:
    """An address as an event carries it."""
    return str(ip_address(packed[:4] if family == 4 else packed))
