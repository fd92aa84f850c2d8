"""Pods and compiled policies in one node's maps: the idle bank is filled, then a single store puts it in force."""

import array
import ctypes
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from typing import Any

import numpy as np

from harness.mesh.hashtable import build
from harness.mesh.layout import (
    BANKS,
    CONFIG,
    CONNTRACK,
    DIRECTIONS,
    ENDPOINT,
    ENDPOINT_BUCKETS,
    ENDPOINT_ENTRIES,
    IDENTITIES,
    POLICY_ENTRY,
    PORT_TABLES,
    SUBJECT,
    TABLE_WAYS,
    U32,
    cidr_key,
)
from harness.mesh.maps import Map
from harness.mesh.policy import Compiled

PORTS = 65536
_PORT_TABLE_BYTES = PORTS * 2
_PEER_TABLE_BYTES = IDENTITIES * 2
_EVERY_V4 = IPv4Network("0.0.0.0/0")
"""Always in the table of CIDRs, where IPv4 lies within IPv6: else ``::/0`` would hold every IPv4 address too."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who an address is and how this node reaches it."""

    identity: int
    hop: int
    flags: int


class Tables:
    """The writer of one node's maps. There is only one, so that a bank's contents are known without reading them.

    ``endpoints`` are the addresses that the next ``stage`` writes, with the policy that is compiled for them.
    """

    def __init__(self, maps: Mapping[str, Map], endpoints: Mapping[str, Endpoint], *, proxy: bool = False) -> None:
        """``proxy``: the node has one, and sockets of its may be ends of pods' flows."""
        self._maps = maps
        self.endpoints = endpoints
        self._cidrs: list[dict[bytes, bytes]] = [{} for _ in range(BANKS)]
        self._policies = maps["policies"].memory()
        self._buckets = maps["policies"].max_entries // BANKS
        self._places = {family: maps[f"endpoints{family}"].memory() for family in ENDPOINT_ENTRIES}
        self._subjects = maps["subjects"].memory()
        self._peers = maps["peer_classes"].memory()
        self._ports = maps["port_classes"].memory()
        self._config = maps["mesh_config"].memory()
        masks = [0] * (BANKS + BANKS * len(ENDPOINT_ENTRIES))
        CONFIG.pack_into(self._config, 0, 0, secrets.randbits(32), *masks, int(proxy))
        self._generation = ctypes.c_uint32.from_buffer(self._config)

    @property
    def generation(self) -> int:
        """The number of the policy in force; 0 before the first."""
        return self._generation.value

    def stage(self, compiled: Compiled) -> None:
        """Write ``compiled`` and the endpoints into the idle bank; packets are still judged by the other.

        Raises BpfError, TableFull.
        """
        bank = (self.generation + 1) % BANKS
        self._write_policies(bank, compiled)
        cidrs = {_EVERY_V4: 0, **compiled.cidrs.of}
        self._write_cidrs(bank, {cidr_key(bank, network): U32.pack(of) for network, of in cidrs.items()})
        self._write_subjects(bank, compiled)
        self._write_peers(bank, compiled)
        self._write_ports(bank, compiled)
        self._write_endpoints(bank, compiled)

    def flip(self) -> None:
        """Put the staged bank in force: one aligned 32-bit store, which every packet reads once."""
        self._generation.value = (self._generation.value + 1) & 0xFFFFFFFF

    def forget_flows(self, addresses: Iterable[str]) -> None:
        """Take all flows of ``addresses`` out of conntrack, of either direction: the next owner of one begins anew."""
        for family, form in CONNTRACK.items():
            wanted = [ip_address(address).packed for address in addresses if ip_address(address).version == family]
            with self._maps[f"conntrack{family}"].memory() as memory:
                _forget(np.frombuffer(memory, dtype=form), wanted)

    def close(self) -> None:
        """Unmap the arrays."""
        del self._generation
        for memory in (*self._places.values(), self._policies, self._subjects, self._peers, self._ports, self._config):
            memory.close()

    def _write_policies(self, bank: int, compiled: Compiled) -> None:
        entries = [POLICY_ENTRY.pack(*entry, rule) for entry, rule in compiled.entries.items()]
        keys = [entry[:12] + b"\0\0\0\0" for entry in entries]
        table, mask = build(
            entries, POLICY_ENTRY.size, keys, self._buckets, "policy entries (peers by ports of each set of labels)"
        )
        start = bank * self._buckets * TABLE_WAYS * POLICY_ENTRY.size
        self._policies[start : start + len(table)] = table
        U32.pack_into(self._config, (2 + bank) * U32.size, mask)

    def _write_cidrs(self, bank: int, wanted: dict[bytes, bytes]) -> None:
        held = self._cidrs[bank]
        self._cidrs[bank] = dict.fromkeys((*held, *wanted), b"")  # what is true if this is cut short: any of them may be there
        self._maps["cidrs"].remove_many([key for key in held if key not in wanted])
        self._maps["cidrs"].put_many({key: value for key, value in wanted.items() if held.get(key) != value})
        self._cidrs[bank] = wanted

    def _write_subjects(self, bank: int, compiled: Compiled) -> None:
        size = DIRECTIONS * IDENTITIES * SUBJECT.size
        image = bytearray(size)
        for (direction, identity), subject in compiled.subjects.items():
            SUBJECT.pack_into(image, (direction * IDENTITIES + identity) * SUBJECT.size, *subject)
        self._subjects[bank * size : (bank + 1) * size] = bytes(image)

    def _write_peers(self, bank: int, compiled: Compiled) -> None:
        image = array.array("H", bytes(_PEER_TABLE_BYTES))
        for identity, number in compiled.peers.items():
            image[identity] = number
        self._peers[bank * _PEER_TABLE_BYTES : (bank + 1) * _PEER_TABLE_BYTES] = image.tobytes()

    def _write_ports(self, bank: int, compiled: Compiled) -> None:
        for table, protocol in enumerate(PORT_TABLES):
            image = array.array("H", bytes(_PORT_TABLE_BYTES))
            for first, last, number in compiled.ports.spans.get(protocol, ()):
                image[first : last + 1] = array.array("H", [number]) * (last + 1 - first)
            start = (bank * len(PORT_TABLES) + table) * _PORT_TABLE_BYTES
            self._ports[start : start + _PORT_TABLE_BYTES] = image.tobytes()

    def _write_endpoints(self, bank: int, compiled: Compiled) -> None:
        for position, (family, form) in enumerate(ENDPOINT_ENTRIES.items()):
            entries = []
            for address, endpoint in self.endpoints.items():
                parsed = ip_address(address)
                if parsed.version == family:
                    held = compiled.cidrs.holding_pod(parsed)
                    value = ENDPOINT.pack(endpoint.identity, endpoint.hop, endpoint.flags, held)
                    entries.append(form.pack(parsed.packed, value))
            keys = [entry[:4] + b"\0\0\0\0" if family == 4 else entry[:16] for entry in entries]
            table, mask = build(entries, form.size, keys, ENDPOINT_BUCKETS, f"IPv{family} addresses of pods")
            start = bank * ENDPOINT_BUCKETS * TABLE_WAYS * form.size
            self._places[family][start : start + len(table)] = table
            U32.pack_into(self._config, (2 + BANKS + bank * len(ENDPOINT_ENTRIES) + position) * U32.size, mask)


def _forget(sets: np.ndarray[Any, np.dtype[np.void]], addresses: Sequence[bytes]) -> None:
    """Clear the verdicts of all entries one of whose ends is among ``addresses``; each is one aligned 64-bit store."""
    ends = sets["key"]["address"]
    for address in addresses:
        mine = (ends == np.frombuffer(address, dtype=ends.dtype)).any(axis=-1)
        sets["verdict"][mine] = 0
