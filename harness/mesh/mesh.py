"""The mesh on all nodes of a lab: one policy, put in force everywhere, and one memory of what was dropped."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from threading import Event, Lock, Thread

from harness.lab.port import Lab
from harness.mesh.agent import Agent, Options
from harness.mesh.events import Drop
from harness.mesh.grants import Cluster, Granted
from harness.mesh.identity import identities
from harness.mesh.libbpf import BpfError
from harness.mesh.policy import Compiled, compile_policies, granted, tables_of
from harness.mesh.rcu import wait_for_running_programs
from harness.mesh.requests import RequestJudge
from harness.model.cilium import Policy
from harness.model.origin import Origin
from harness.model.topology import Pod

_REMEMBERED = 65536
_GENERATIONS = 8
DRAIN_SECONDS = 0.5
"""Between two times that events are read when nobody asks: the ring keeps 10,000, and then what is oldest."""


class Mesh:
    """The agents of a lab. Made by ``attached``."""

    def __init__(self, lab: Lab, agents: Sequence[Agent], judge: RequestJudge | None = None) -> None:
        self.lab = lab
        self.agents = agents
        self._judge = judge
        self._cluster = Cluster.of(lab.topology, identities(lab.topology))
        self._policies: Sequence[Policy] = ()
        self._fronts: frozenset[str] = frozenset()
        self._compiled: dict[int, Compiled] = {}
        self._latest: dict[tuple[str, str, int, int, bool], tuple[Agent, Drop]] = {}
        self._reading = Lock()

    def apply(self, policies: Sequence[Policy], fronts: Iterable[str] = ()) -> tuple[int, float]:
        """Enforce exactly ``policies`` on every node; the generation that is in force now, and the seconds it took.

        ``fronts`` are addresses for which the nodes' proxies answer pods: each request there is theirs to judge.

        First every node's idle bank is filled, then all are put in force one after the other, then the packets that
        were on their way through the programs are waited for. Who judges requests refuses meanwhile what either policy
        refuses. Raises PolicyError before anything is changed.
        """
        started = time.monotonic()
        compiled, result = self._compile(policies)
        wanted = frozenset(fronts)
        try:
            self._front(wanted)
            generation = self._enforce(compiled, result)
        except BaseException:
            self._front(self._fronts)
            raise
        self._policies, self._fronts = policies, wanted
        seconds = time.monotonic() - started
        self._forget_drops()
        return generation, seconds

    def _front(self, addresses: frozenset[str]) -> None:
        for agent in self.agents:
            agent.front(addresses)

    def pods_changed(self, removed: Iterable[Pod]) -> tuple[int, float]:
        """Follow the lab, whose pods are others now; as ``apply``, with the policies that are in force.

        ``removed`` had their addresses until now. Who has an address, and what policies say of it, changes between two packets
        on each node; then what conntrack knows of the addresses that were given up is forgotten. Raises MeshError.
        """
        started = time.monotonic()
        numbered = identities(self.lab.topology)
        self._cluster = Cluster.of(self.lab.topology, numbered)
        compiled, result = self._compile(self._policies)
        for agent in self.agents:
            agent.follow(numbered)
        generation = self._enforce(compiled, result)
        addresses = [ip for pod in removed for ip in pod.ips]
        for agent in self.agents:
            agent.tables.forget_flows(addresses)
        if self._judge is not None:
            self._judge.forget(addresses)
        seconds = time.monotonic() - started
        self._forget_drops()
        return generation, seconds

    def _compile(self, policies: Sequence[Policy]) -> tuple[Compiled, Granted]:
        result = granted(policies, self._cluster)
        if self._judge is None:
            return compile_policies(policies, self._cluster), result
        return tables_of(result, self._cluster), result

    def _enforce(self, compiled: Compiled, result: Granted) -> int:
        for agent in self.agents:
            agent.tables.stage(compiled)
        if self._judge is not None:
            self._judge.prepare(result, self._cluster)
        for agent in self.agents:
            agent.tables.flip()
        generation = self.agents[0].tables.generation if self.agents else 0
        self._compiled[generation] = compiled
        self._compiled.pop(generation - _GENERATIONS, None)
        wait_for_running_programs()
        if self._judge is not None:
            self._judge.settle()
        return generation

    def _forget_drops(self) -> None:
        """What was dropped before a change says nothing of what is dropped now."""
        self.drain()
        with self._reading:
            self._latest.clear()

    def latest_drop(self, source: str, destination: str, protocol: int, port: int) -> tuple[Agent, Drop] | None:
        """The latest drop of a flow, of packets in either direction, and the node where it was; of ICMP ``port`` is 0."""
        self.drain()
        with self._reading:
            found = [
                self._latest.get((source, destination, protocol, port, False)),
                self._latest.get((destination, source, protocol, port, True)),
            ]
        return max((drop for drop in found if drop), key=lambda drop: drop[1].time, default=None)

    def rule(self, drop: Drop) -> Origin | None:
        """Where the policy was written that a drop names, as far back as it is remembered."""
        compiled = self._compiled.get(drop.generation)
        return compiled.rule(drop.rule) if compiled else None

    def drain(self) -> None:
        """Remember the drops since the last time. Raises BpfError."""
        with self._reading:
            self._remember()

    def _remember(self) -> None:
        """Keyed both ways: by the destination's port as packets to a server, by the source's as its answers."""
        drops = [(agent, drop) for agent in self.agents for drop in agent.drops()]
        for agent, drop in sorted(drops, key=lambda pair: pair[1].time):
            for port, answers in ((drop.destination_port, False), (drop.source_port, True)):
                key = (drop.source, drop.destination, drop.protocol, port, answers)
                self._latest.pop(key, None)
                self._latest[key] = (agent, drop)
        while len(self._latest) > _REMEMBERED:
            del self._latest[next(iter(self._latest))]


@contextmanager
def attached(lab: Lab, options: Options, judge: RequestJudge | None = None) -> Iterator[Mesh]:
    """The mesh in force on ``lab``, with no policy; left, nothing of it remains.

    Programs meet filled tables from their first packet: nothing is dropped by attaching. Without a ``judge`` policies that
    look into requests are refused. Raises LoadFailed, BpfError, and what the judge raises.
    """
    by_pod = identities(lab.topology)
    options = replace(options, proxy=judge is not None)
    with ExitStack() as undo:
        agents = []
        for node in lab.nodes:
            agent = Agent(node, lab, by_pod, options)
            undo.callback(agent.close)
            agents.append(agent)
        mesh = Mesh(lab, agents, judge)
        mesh.apply(())
        for agent in agents:
            agent.attach()
        undo.enter_context(_drained(mesh))
        yield mesh


@contextmanager
def _drained(mesh: Mesh) -> Iterator[None]:
    """Read events now and then, so that the ring is not full when something is dropped that somebody will ask about."""
    ended = Event()

    def drain() -> None:
        while not ended.wait(DRAIN_SECONDS):
            with suppress(BpfError):  # whoever asks meets it, too
                mesh.drain()

    thread = Thread(target=drain, name="mesh-events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
