"""Route netlink in batches: many messages in one system call, and errors that say which message was refused.

Only the handful of messages that a lab needs; layouts are those of rtnetlink(7), linux/rtnetlink.h, linux/if_link.h and
linux/neighbour.h. Messages are made here, not by pyroute2, because a lab of 1,000 pods sends 12,000 of them: pyroute2
takes 120 to 330 µs to encode one, struct takes 3.
"""

import errno
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from harness.lab.port import LabError

_REQUEST, _ACK, _DUMP, _EXCL, _CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
_NEW = _REQUEST | _EXCL | _CREATE
_ERROR, _DONE = 2, 3
_RTM_NEWLINK, _RTM_NEWADDR, _RTM_NEWROUTE, _RTM_NEWNEIGH, _RTM_NEWNSID, _RTM_GETNSID = 16, 20, 24, 28, 88, 90
_RTM_DELLINK, _RTM_DELROUTE = 17, 25
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_IFF_UP = 1
_IFA_F_NODAD, _IFA_F_NOPREFIXROUTE = 0x02, 0x200
_NUD_PERMANENT = 0x80
_RTN_UNICAST, _RTPROT_STATIC, _RT_TABLE_MAIN = 1, 4, 254
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_NOWHERE = 0, 253, 255  # the last one, of what is removed, fits any
_RTNH_F_ONLINK = 4
_BATCH = 60_000

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
_ROUTE = struct.Struct("=BBBBBBBBI")


@dataclass(frozen=True, slots=True)
class Message:
    """A request without its header; ``says`` is what it does, for error messages."""

    kind: int
    flags: int
    body: bytes
    says: str


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)


def _u32(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _af(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _packed(address: str) -> bytes:
    return ip_address(address).packed


def link_up(ifindex: int) -> Message:
    """Set an interface up."""
    return Message(_RTM_NEWLINK, _REQUEST, _LINK.pack(socket.AF_UNSPEC, 0, ifindex, _IFF_UP, _IFF_UP), f"set link {ifindex} up")


def moved(ifindex: int, namespace: int, ifname: str, new_ifindex: int) -> Message:
    """Put an interface of the socket's namespace into that of the descriptor ``namespace``, by another name and index."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, ifindex, 0, 0)
    body += _attribute(3, ifname.encode() + b"\0") + _u32(28, namespace) + _u32(49, new_ifindex)  # IFLA_NEW_IFINDEX
    return Message(_RTM_NEWLINK, _REQUEST, body, f"move link {ifindex} into a namespace as {ifname}")


@dataclass(frozen=True, slots=True)
class End:
    """One end of a veth."""

    ifname: str
    ifindex: int
    mac: str

    def encode(self, flags: int) -> bytes:
        """An ifinfomsg with name and MAC."""
        return (
            _LINK.pack(socket.AF_UNSPEC, 0, self.ifindex, flags, flags)
            + _attribute(3, self.ifname.encode() + b"\0")
            + _attribute(1, bytes.fromhex(self.mac.replace(":", "")))
        )


def veth(here: End, there: End, namespace: int) -> Message:
    """A veth: ``here`` in the socket's namespace and up, ``there`` in that of the descriptor ``namespace`` and down.

    The kernel makes ``there`` first, and refuses to set up an end whose other end is missing (ENOTCONN).
    """
    peer = _attribute(1, there.encode(0) + _u32(28, namespace))  # VETH_INFO_PEER, IFLA_NET_NS_FD
    info = _attribute(18, _attribute(1, b"veth\0") + _attribute(2, peer))  # IFLA_LINKINFO: kind, data
    return Message(_RTM_NEWLINK, _NEW, here.encode(_IFF_UP) + info, f"make veth {here.ifname} to {there.ifname}")


def address(ifindex: int, interface: str) -> Message:
    """Give an interface the address ``ADDRESS/PREFIX``, at once usable (no duplicate address detection)."""
    parsed = ip_interface(interface)
    packed = parsed.ip.packed
    flags = _IFA_F_NODAD | _IFA_F_NOPREFIXROUTE
    body = _ADDRESS.pack(_af(interface), parsed.network.prefixlen, _IFA_F_NODAD, _SCOPE_UNIVERSE, ifindex)
    body += _attribute(1, packed) + _attribute(2, packed) + _u32(8, flags)
    return Message(_RTM_NEWADDR, _NEW, body, f"add address {interface} to link {ifindex}")


def neighbour(ifindex: int, ip: str, mac: str) -> Message:
    """A permanent neighbour entry: never asked for, never aged, not counted by the neighbour table's limits."""
    body = _NEIGHBOUR.pack(_af(ip), ifindex, _NUD_PERMANENT, 0, 0)
    body += _attribute(1, _packed(ip)) + _attribute(2, bytes.fromhex(mac.replace(":", "")))
    return Message(_RTM_NEWNEIGH, _NEW, body, f"add neighbour {ip} to link {ifindex}")


def route(prefix: str, ifindex: int, *, gateway: str | None = None, source: str | None = None) -> Message:
    """A route in the main table; ``gateway`` is taken to be on the link, ``source`` preferred for own packets."""
    network = ip_interface(prefix)
    scope = _SCOPE_LINK if gateway is None and network.version == 4 else _SCOPE_UNIVERSE
    flags = _RTNH_F_ONLINK if gateway is not None else 0
    body = _ROUTE.pack(_af(prefix), network.network.prefixlen, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, scope, _RTN_UNICAST, flags)
    body += _attribute(1, network.ip.packed) + _u32(4, ifindex)
    body += b"" if gateway is None else _attribute(5, _packed(gateway))
    body += b"" if source is None else _attribute(7, _packed(source))
    return Message(_RTM_NEWROUTE, _NEW, body, f"add route {prefix} by link {ifindex}")


def no_link(ifindex: int) -> Message:
    """Remove an interface; of a veth both ends, and with them their addresses, routes and neighbours."""
    return Message(_RTM_DELLINK, _REQUEST, _LINK.pack(socket.AF_UNSPEC, 0, ifindex, 0, 0), f"remove link {ifindex}")


def no_route(prefix: str, ifindex: int) -> Message:
    """Remove the route to ``prefix`` by an interface."""
    network = ip_interface(prefix)
    body = _ROUTE.pack(_af(prefix), network.network.prefixlen, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, _SCOPE_NOWHERE, 0, 0)
    body += _attribute(1, network.ip.packed) + _u32(4, ifindex)
    return Message(_RTM_DELROUTE, _REQUEST, body, f"remove route {prefix} by link {ifindex}")


def namespace_id(namespace: int, number: int) -> Message:
    """Let the socket's namespace know that of the descriptor ``namespace`` as ``number`` (see ip-netns(8), set)."""
    body = struct.pack("=Bxxx", socket.AF_UNSPEC) + _u32(1, number) + _u32(3, namespace)
    return Message(_RTM_NEWNSID, _REQUEST, body, f"number a namespace {number}")


class Netlink:
    """A route netlink socket of the network namespace in which the calling thread was when it was opened."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._socket.bind((0, 0))

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, messages: Sequence[Message]) -> None:
        """Have the kernel do all of ``messages`` in order; raises LabError that names the first one refused."""
        batch: list[bytes] = []
        size = 0
        for index, message in enumerate(messages):
            length = _HEADER.size + len(message.body)
            last = index + 1 == len(messages) or size + length > _BATCH
            flags = message.flags | (_ACK if last else 0)
            batch.append(_HEADER.pack(length, message.kind, flags, index, 0) + message.body)
            size += length
            if last:
                self._exchange(b"".join(batch), messages, index)
                batch, size = [], 0

    def _exchange(self, batch: bytes, messages: Sequence[Message], last: int) -> None:
        self._socket.send(batch)
        while True:
            for kind, sequence, body in self._received():
                if kind == _ERROR:
                    (number,) = struct.unpack_from("=i", body)
                    if number != 0:
                        refused = messages[sequence]
                        raise LabError(
                            f"the kernel would not {refused.says}: {os.strerror(-number)} ({errno.errorcode[-number]})"
                        )
                    if sequence == last:
                        return

    def namespace_ids(self) -> int:
        """How many other namespaces this one has numbers for."""
        self._socket.send(_HEADER.pack(_HEADER.size + 4, _RTM_GETNSID, _REQUEST | _DUMP, 0, 0) + struct.pack("=Bxxx", 0))
        count = 0
        while True:
            for kind, _, _ in self._received():
                if kind == _DONE:
                    return count
                count += 1

    def _received(self) -> list[tuple[int, int, bytes]]:
        data = self._socket.recv(1 << 18)
        found = []
        while data:
            length, kind, _, sequence, _ = _HEADER.unpack_from(data)
            found.append((kind, sequence, data[_HEADER.size : length]))
            data = data[(length + 3) & ~3 :]
        return found
