"""What should become of a frame: the direct oracle's verdict on its flow, and rules of the node that no policy writes.

A model of its own, by what bpf/drop.h and docs/decisions/0014 promise, not by how the programs do it. It answers with the set
of reasons any of which is right; ``{"none"}`` where the frame has to pass. Flows and first fragments are remembered in
dictionaries; nothing expires, for a world is over within the shortest lifetime.
"""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from fuzz.dissection import ANSWERS, CONTINUES, ERROR, NEIGHBOUR, OPENS, Seen
from fuzz.worlds import HOST, WIRES, World
from harness.model.cilium import Policy
from harness.model.flow import ICMP, Flow, Verdict
from harness.oracle.direct import answer

PASS = frozenset({"none"})
_LOCAL, _REMOTE, _HOST, _WORLD = "local", "remote", "host", "world"
_NAMES = {6: "TCP", 17: "UDP", 132: "SCTP", 1: "ICMP", 58: "ICMP"}
_FIRST_CLIENT_PORT = 32768
_NOT_ONE_HOST = {4: (ip_network("0.0.0.0/8"), ip_network("224.0.0.0/3")), 6: (ip_network("ff00::/8"),)}
End = tuple[str, int]


@dataclass
class Known:
    """A flow that was allowed: who opened it, under which policies, and whether it was revoked since."""

    opener: End
    policies: int
    revoked: bool = False


class Model:
    """The node as the mesh promises it, over one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._which = 0
        self._flows: dict[tuple[object, ...], Known] = {}
        self._fragments: dict[tuple[object, ...], Seen] = {}
        self._answers: dict[tuple[Flow, int, bool, bool], str] = {}
        self._places = dict.fromkeys(HOST.values(), (_HOST, 0))
        for pod in world.topology.pods:
            local = pod.ref in world.interfaces
            place = (_LOCAL, world.interfaces[pod.ref]) if local else (_REMOTE, WIRES[pod.node])
            self._places |= dict.fromkeys(pod.ips, place)

    def enforce(self, which: int) -> None:
        self._which = which

    @property
    def _policies(self) -> tuple[Policy, ...]:
        return self._world.policies[self._which]

    def judge(self, seen: Seen, program: str, interface: int) -> frozenset[str]:  # noqa: PLR0911 (a ladder of reasons)
        """The reasons any of which is right."""
        if program == "to_pod" and not interface:
            return PASS
        if seen.link != "ip":
            return self._link(seen, program, interface)
        if seen.base_fault:
            return frozenset(seen.faults)
        here = self._place(seen.destination) == _LOCAL
        if seen.later and not seen.faults:
            self._resolve(seen)
        if seen.faults:
            return frozenset(seen.faults) if program != "from_wire" or here else PASS
        if seen.kind == NEIGHBOUR:
            return self._neighbour(seen, program, interface)
        address = ip_address(seen.destination)
        if program == "from_pod" and any(address in network for network in _NOT_ONE_HOST[seen.family]):
            return frozenset({"not_unicast"})
        if self._spoofed(seen.source, program, interface):
            return frozenset({"spoofed_source"})
        if program == "to_pod" and not here:
            return frozenset({"no_policy"})
        if seen.kind == ERROR:
            return self._error(seen, program, here)
        reason = self._flow(seen, program, here)
        if reason == "none" and seen.first:
            self._fragments[seen.fragment] = seen
        return frozenset({reason})

    def _place(self, address: str) -> str:
        return self._places.get(address, (_WORLD, 0))[0]

    def _spoofed(self, source: str, program: str, interface: int) -> bool:
        place, expected = self._places.get(source, (_WORLD, 0))
        if program == "from_pod":
            return place != _LOCAL or expected != interface
        if program == "from_wire":
            return place in (_LOCAL, _HOST) or (place == _REMOTE and expected != interface)
        return False

    def _link(self, seen: Seen, program: str, interface: int) -> frozenset[str]:
        if program != "from_pod":
            return PASS
        if seen.link == "other":
            return frozenset({"link_protocol"})
        return frozenset({"spoofed_source"}) if self._spoofed(seen.source, program, interface) else PASS

    def _neighbour(self, seen: Seen, program: str, interface: int) -> frozenset[str]:
        if program == "from_wire":
            return PASS
        if seen.icmp_type == 134:
            return frozenset({"icmp_type"})
        source = ip_address(seen.source)
        if source.is_link_local or source.is_unspecified:
            return PASS
        return frozenset({"spoofed_source"}) if self._spoofed(seen.source, program, interface) else PASS

    def _resolve(self, seen: Seen) -> None:
        first = self._fragments.get(seen.fragment)
        if first is None:
            seen.faults.add("fragment_unknown")
        elif first.protocol == 6 and seen.later < 3:
            seen.faults.add("fragment_tiny")
        else:
            seen.ports, seen.protocol = first.ports, first.protocol
            seen.kind = CONTINUES if first.protocol == 6 else first.kind

    def _error(self, seen: Seen, program: str, here: bool) -> frozenset[str]:
        if program == "from_wire" and not here:
            return PASS
        quoted = seen.quoted
        assert quoted is not None
        if quoted.faults:
            return frozenset(quoted.faults)
        if quoted.source != seen.destination or (program == "from_pod" and quoted.destination != seen.source):
            return frozenset({"icmp_unrelated"})
        reason, _ = self._judged(quoted, self._known(quoted))
        known = self._known(quoted)
        current = known is not None and known.policies == self._which and not known.revoked
        return PASS if reason == "none" or current else frozenset({"icmp_unrelated"})

    def _known(self, seen: Seen) -> Known | None:
        """By protocol and both ends. A TCP SYN belongs to what is known only where its sender opened that."""
        return self._flows.get(_key(seen))

    def _flow(self, seen: Seen, program: str, here: bool) -> str:
        syn = seen.protocol == 6 and seen.kind == OPENS
        known = self._known(seen)
        source = (seen.source, seen.ports[0])
        if (program == "from_wire" and not here) or _HOST in (self._place(seen.source), self._place(seen.destination)):
            return "none"
        if known and known.policies == self._which and not known.revoked and (known.opener == source or not syn):
            return "none"
        reason, opener = self._judged(seen, known)
        if reason == "revoked" and known:
            known.revoked = True
        if reason == "none":
            self._flows[_key(seen)] = Known(opener, self._which)
        return reason

    def _judged(self, seen: Seen, known: Known | None) -> tuple[str, End]:
        """The reason, and who opened the flow if it is allowed."""
        source, destination = (seen.source, seen.ports[0]), (seen.destination, seen.ports[1])
        if known and not (seen.protocol == 6 and seen.kind == OPENS):
            reverse = known.opener != source
            allowed = self._policy(seen, reverse) == "none"
            return ("none" if allowed else "revoked"), known.opener
        if seen.kind == ANSWERS:
            return (self._policy(seen, True), destination) if seen.protocol == 6 else ("unsolicited", source)
        reason = self._policy(seen, False)
        may_answer = seen.ports[0] < _FIRST_CLIENT_PORT or seen.ports[1] >= _FIRST_CLIENT_PORT
        if reason != "none" and seen.kind == CONTINUES and may_answer and self._policy(seen, True) == "none":
            return "none", destination
        return reason, source

    def _policy(self, seen: Seen, reverse: bool) -> str:
        """The oracle's verdict at those ends that are pods of this node."""
        source, destination = (seen.destination, seen.source) if reverse else (seen.source, seen.destination)
        if _HOST in (self._place(source), self._place(destination)):
            return "none"
        protocol = _NAMES.get(seen.protocol, str(seen.protocol))
        message = ICMP(8 if seen.family == 4 else 128) if protocol == "ICMP" else None
        port = 0 if message else seen.ports[0 if reverse else 1]
        flow = Flow(source, destination, port, protocol, seen.family, message)
        at = self._place(source) == _LOCAL, self._place(destination) == _LOCAL
        asked = (flow, self._which, *at)
        if asked not in self._answers:
            self._answers[asked] = self._ask(flow, *at)
        return self._answers[asked]

    def _ask(self, flow: Flow, egress: bool, ingress: bool) -> str:
        found = answer(flow, self._policies, self._world.topology)
        for judged, decision, name in ((egress, found.egress, "egress"), (ingress, found.ingress, "ingress")):
            if judged and decision.verdict is Verdict.DROPPED:
                return f"denied_{name}" if decision.reason == "denied by rule" else f"policy_{name}"
        return "none"


def _key(seen: Seen) -> tuple[object, ...]:
    ends = frozenset(((seen.source, seen.ports[0]), (seen.destination, seen.ports[1])))
    return seen.family, seen.protocol, ends
