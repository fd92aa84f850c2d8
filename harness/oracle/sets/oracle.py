"""The oracle over sets: policies are compiled once, flows are looked up."""

from collections.abc import Iterable

from harness.model.cilium import Policy
from harness.model.flow import Flow, Verdict
from harness.model.topology import Topology
from harness.model.verdict import Answer, Decision
from harness.oracle.sets import messages
from harness.oracle.sets.claims import EGRESS, INGRESS, Book
from harness.oracle.sets.peers import Population, address_point
from harness.oracle.sets.plane import Plane

_WORLD = Decision(Verdict.FORWARDED, None, "not a pod: no policy applies")
_ITSELF = Decision(Verdict.FORWARDED, None, "a pod always reaches itself")


class Oracle:
    """What should become of flows under ``policies``, which are taken to be valid, as harness.manifests checks them."""

    def __init__(self, policies: Iterable[Policy], topology: Topology) -> None:
        self._population = Population(topology)
        self._book = Book(self._population)
        for policy in policies:
            self._book.add(policy)
        self._planes: dict[tuple[int, int], Plane] = {}

    def answer(self, flow: Flow) -> Answer:
        """The verdict and the deciding rule at each end. Raises KeyError if the flow names an unknown pod."""
        source, destination = self._population.number(flow.source), self._population.number(flow.destination)
        if source is not None and source == destination:
            return Answer(Verdict.FORWARDED, _ITSELF, _ITSELF)
        addresses = [end for end in (flow.source, flow.destination) if "/" not in end]
        family = flow.family if not addresses else 6 if ":" in addresses[-1] else 4
        message = messages.point(flow, family)
        left = _point(flow.source, source, family)
        right = _point(flow.destination, destination, family)
        egress = _WORLD if source is None else self._plane(source, EGRESS).at(right, message)
        ingress = _WORLD if destination is None else self._plane(destination, INGRESS).at(left, message)
        passed = egress.verdict is Verdict.FORWARDED and ingress.verdict is Verdict.FORWARDED
        return Answer(Verdict.FORWARDED if passed else Verdict.DROPPED, egress, ingress)

    def _plane(self, subject: int, way: int) -> Plane:
        if (subject, way) not in self._planes:
            self._planes[subject, way] = Plane(subject, self._book.chapters[way])
        return self._planes[subject, way]


def _point(end: str, number: int | None, family: int) -> int:
    return address_point(end) if number is None else 2 * number + (family == 6)
