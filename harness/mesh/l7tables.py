"""What the agent of a fast path reads and writes of its node's maps, and the programs that change them as it cannot.

Both are pinned by ``harness.mesh.l7``, and outlive an agent: what one that was killed has left, ``sweep`` takes away.
"""

import ctypes
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path

from harness.mesh.l7choices import Plan
from harness.mesh.l7fronts import Front
from harness.mesh.l7law import Law, Target
from harness.mesh.l7layout import (
    COOKIE,
    ERRAND,
    PAIR,
    TUPLE,
    U32,
    UPSTREAM_CLIENT,
    UPSTREAM_GENERATION,
    UPSTREAM_HEAD,
    UPSTREAM_PAIR,
    UPSTREAM_STATE,
    Described,
    Knowledge,
    Pair,
    RequestRule,
    UpstreamState,
    unpacked_address,
)
from harness.mesh.l7routetables import MAPS as ROUTE_MAPS
from harness.mesh.l7routetables import RouteTables
from harness.mesh.libbpf import TestRunOptions, checked, library
from harness.mesh.maps import Map
from harness.mesh.objects import Program
from harness.mesh.rcu import wait_for_running_programs

MAPS = (
    "l7_answering",
    "l7_events",
    "l7_named",
    "l7_rules",
    "l7_sockets",
    "l7_targets",
    "l7_upstreams",
    "mesh_config",
    *ROUTE_MAPS,
)
FLOW_MAPS = ("l7_counts", "l7_flows")
"""The second is there where flow events are asked for."""

ERRANDS = ("l7_abandon", "l7_adopt", "l7_evict", "l7_finish", "l7_inform", "l7_settle", "l7_take_over")


class FastPathTables:
    """Methods raise BpfError."""

    def __init__(self, pins: Path) -> None:
        """``pins`` is the folder that holds ``MAPS`` and ``ERRANDS``."""
        self.maps: Mapping[str, Map] = {name: Map.pinned(pins / name) for name in MAPS}
        self._errands = {name: Program.pinned(pins / name) for name in ERRANDS}
        self.generation = 0
        """By which requests are judged now."""
        self._law = Law()
        self._known: set[Pair] = set()
        self._sets: dict[frozenset[RequestRule], int] = {}
        self._numbers = count(1)
        self._routes = RouteTables({name: self.maps[name] for name in ROUTE_MAPS}, self._numbers, self._set)
        self._plans: dict[int, Plan] = {}

    def in_force(self) -> bool:
        """Whether the packet programs are in that generation, too."""
        settings = self.maps["mesh_config"].get(U32.pack(0))
        return settings is not None and U32.unpack_from(settings)[0] == self.generation

    def judge_by(self, generation: int, law: Law) -> None:
        """Judge so while ``generation`` is in force: requests of known pairs at once, of others when they are asked about."""
        self.generation, self._law = generation, law
        before, self._sets = self._sets, {}
        drop_routes = self._routes.renewed()
        self._plans.clear()
        for pair in self._known:
            self.inform(pair)
        self._remove("l7_rules", (rule.key(number) for rules, number in before.items() for rule in rules))
        drop_routes()

    def inform(self, pair: Pair) -> Target | None:
        """Tell the kernel what is known of a pair; returns what it asks of requests that go where they were meant to."""
        target = self._law.target(pair)
        front = self._law.front(pair)
        if pair not in self._known:
            self.maps["l7_targets"].put(pair.pack(), bytes(self.maps["l7_targets"].value_size))
            self._known.add(pair)
        knowledge = Knowledge.PROXIED if target is None else Knowledge.JUDGED
        sets = (0, 0) if target is None else (self._set(target.egress), self._set(target.ingress))
        if front is not None:
            knowledge, sets = Knowledge.ROUTED, self._routed(front, pair.client)
        self.errand("l7_inform", pair, generation=self.generation, sets=sets, knowledge=knowledge)
        return target

    def forget(self, addresses: Iterable[str]) -> list[Pair]:
        """Know nothing of pairs that have one of these addresses; returns them."""
        wanted = set(addresses)
        gone = [pair for pair in self._known if {pair.client, pair.backend} & wanted]
        self._known.difference_update(gone)
        self._remove("l7_targets", (pair.pack() for pair in gone))
        return gone

    def _routed(self, front: Front, client: str) -> tuple[int, int]:
        """The table of routes for a client's requests to a Service, and whether it asks for headers."""
        if id(front) not in self._plans:  # which the law keeps
            self._plans[id(front)] = Plan(front)
        table = self._plans[id(front)].table(client, self._law.routed_target)
        return self._routes.number(table), int(bool(table.headers))

    def _set(self, rules: frozenset[RequestRule] | None) -> int:
        if rules is None:
            return 0
        if rules not in self._sets:
            number = self._sets[rules] = next(self._numbers)
            for rule in rules:
                self.maps["l7_rules"].put(rule.key(number), U32.pack(1))
        return self._sets[rules]

    def describe(self, cookie: int, pair: Pair, generation: int) -> None:
        """Tell the kernel of a connection to a backend that was opened in ``generation``."""
        described = bytearray(self.maps["l7_upstreams"].value_size)
        described[UPSTREAM_PAIR : UPSTREAM_PAIR + len(pair.pack())] = pair.pack()
        U32.pack_into(described, UPSTREAM_GENERATION, generation)
        self.maps["l7_upstreams"].put(COOKIE.pack(cookie), bytes(described))

    def described(self, cookie: int) -> Described | None:
        """What the kernel has made of such a connection, None where it knows none."""
        found = self.maps["l7_upstreams"].get(COOKIE.pack(cookie))
        if found is None:
            return None
        (state,), (head,) = U32.unpack_from(found, UPSTREAM_STATE), U32.unpack_from(found, UPSTREAM_HEAD)
        pair = Pair.unpack(found[UPSTREAM_PAIR : UPSTREAM_PAIR + PAIR.size])
        _, address, client_port, port, _ = TUPLE.unpack_from(found, UPSTREAM_CLIENT)
        asked = unpacked_address(address, pair.family), int.from_bytes(port, "big")
        return Described(pair, asked, int.from_bytes(client_port, "big"), UpstreamState(state), bool(head))

    def errand(
        self, program: str, pair: Pair, *, cookie: int = 0, generation: int = 0, sets: tuple[int, int] = (0, 0),
        knowledge: Knowledge = Knowledge.ASKED, left: int = 0,
    ) -> bool:  # fmt: skip
        """Have one of the programs change a table as no other can: between two steps of those that read it."""
        context = bytearray(ERRAND.pack(cookie, generation, *sets, knowledge, 0, left, pair.pack()))
        given = (ctypes.c_char * len(context)).from_buffer(context)
        options = TestRunOptions(sz=ctypes.sizeof(TestRunOptions), ctx_in=ctypes.addressof(given), ctx_size_in=len(context))
        checked(library().bpf_prog_test_run_opts(self._errands[program].fd, ctypes.byref(options)), f"run {program}")
        return bool(ERRAND.unpack(context)[5])

    def close_to_requests(self) -> None:
        """From now on no request takes a connection, and nothing is known of any pair."""
        self._known.clear()
        self._remove("l7_targets", list(self.maps["l7_targets"].keys()))
        wait_for_running_programs()

    def sweep(self) -> list[Described]:
        """Take away all that is there, whoever left it; returns those whose answer will not come though a client waits for it.

        For when no request can take a connection, and nobody else writes to the maps.
        """
        self.close_to_requests()
        cookies = list(self.maps["l7_upstreams"].keys())
        awaited = []
        for (cookie,) in map(COOKIE.unpack, cookies):
            described = self.described(cookie)
            if described is not None and self.errand("l7_abandon", described.pair, cookie=cookie):
                awaited.append(described)
        self._remove("l7_upstreams", cookies)
        for name in ("l7_named", "l7_rules", *ROUTE_MAPS):
            self._remove(name, list(self.maps[name].keys()))
        self._sets.clear()
        self._routes.renewed()
        return awaited

    def _remove(self, name: str, keys: Iterable[bytes]) -> None:
        self.maps[name].remove_many(list(keys))
