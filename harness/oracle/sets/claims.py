"""What each rule claims of a pod's traffic: rectangles of peers by messages."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.model.cilium import CiliumPolicy, CiliumRule, CiliumSpec, Policy
from harness.model.origin import Origin
from harness.model.policy import NetworkPolicy, Rule
from harness.oracle.sets.messages import Name, named, of_cilium, of_kubernetes
from harness.oracle.sets.peers import Pods, Population
from harness.oracle.sets.spans import Span, Spans

EGRESS, INGRESS = 0, 1


class Box(NamedTuple):
    """All messages of ``messages`` with all peers of ``peers``, and who claims them."""

    peers: Spans
    messages: Spans
    origin: Origin


@dataclass(frozen=True, slots=True)
class Chapter:
    """One direction of one spec: whom it isolates, and its rules, resolved for a subject when they are asked for."""

    subjects: Pods
    isolates: Origin | None
    allow: Callable[[int], Iterable[Box]]
    deny: Callable[[int], Iterable[Box]]


@dataclass(slots=True)
class Book:
    """All policies, a list of chapters for each direction, in the order that they were given."""

    population: Population
    chapters: tuple[list[Chapter], list[Chapter]] = field(default_factory=lambda: ([], []))

    def add(self, policy: Policy) -> None:
        """Append a policy's chapters."""
        if isinstance(policy, CiliumPolicy):
            for spec in policy.specs:
                self._cilium(spec, policy.namespace)
        else:
            self._kubernetes(policy)

    def _kubernetes(self, policy: NetworkPolicy) -> None:
        subjects = self.population.kubernetes_subjects(policy.pod_selector, policy.namespace)
        types = set(policy.policy_types or ()) or {"Ingress"} | ({"Egress"} if policy.egress else set())
        for way, name, rules in ((EGRESS, "Egress", policy.egress), (INGRESS, "Ingress", policy.ingress)):
            if name in types:
                boxes = [self._kubernetes_rule(rule, policy.namespace) for rule in rules or ()]
                self.chapters[way].append(Chapter(subjects, policy.origin, self._resolver(boxes, way), _nothing))

    def _cilium(self, spec: CiliumSpec, namespace: str | None) -> None:
        subjects = self.population.cilium_subjects(spec.endpoint_selector, namespace)
        switch = spec.enable_default_deny
        directions = (
            (EGRESS, spec.egress or (), spec.egress_deny or (), switch and switch.egress),
            (INGRESS, spec.ingress or (), spec.ingress_deny or (), switch and switch.ingress),
        )
        for way, allow, deny, wanted in directions:
            isolates = len(allow) + len(deny) > 0 if wanted is None else wanted
            allowed, denied = ([self._cilium_rule(rule, namespace) for rule in rules] for rules in (allow, deny))
            origin = spec.origin if isolates else None
            chapter = Chapter(subjects, origin, self._resolver(allowed, way), self._resolver(denied, way))
            self.chapters[way].append(chapter)

    def _kubernetes_rule(self, rule: Rule, namespace: str) -> tuple[Box, list[Name]]:
        messages, names = of_kubernetes(rule.ports)
        return Box(self.population.kubernetes_peers(rule.peers, namespace), messages, rule.origin), names

    def _cilium_rule(self, rule: CiliumRule, namespace: str | None) -> tuple[Box, list[Name]]:
        messages, names = of_cilium(rule.ports, rule.icmps)
        return Box(self.population.cilium_peers(rule, namespace), messages, rule.origin), names

    def _resolver(self, rules: list[tuple[Box, list[Name]]], way: int) -> Callable[[int], Iterator[Box]]:
        """The rules' boxes for one subject: names mean its own ports on ingress, and on egress those of each peer."""
        pods = self.population.pods

        def boxes(subject: int) -> Iterator[Box]:
            for box, names in rules:
                yield box
                if names and way == INGRESS:
                    yield box._replace(messages=named(names, pods[subject].ports))
                elif names:
                    for number, pod in enumerate(pods):
                        points: Span = (2 * number, 2 * number + 2)
                        yield Box(_within(box.peers, points), named(names, pod.ports), box.origin)

        return boxes


def _within(spans: Spans, bounds: Span) -> Spans:
    cut = ((max(low, bounds[0]), min(high, bounds[1])) for low, high in spans)
    return tuple(span for span in cut if span[0] < span[1])


def _nothing(subject: int) -> Iterable[Box]:
    return ()
