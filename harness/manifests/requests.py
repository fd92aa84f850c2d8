"""Rules about requests (L7) of policies that were read: they are valid, and not judged yet, which must be said."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from harness.model.cilium import CiliumPolicy, CiliumSpec, Policy
from harness.model.origin import Origin


class RequestRules(NamedTuple):
    """Rules of one ``field`` and where they stand; ``rule`` is where the rule stands whose ports they narrow."""

    field: str
    origin: Origin
    rule: Origin


def request_rules(policies: Iterable[Policy]) -> Iterator[RequestRules]:
    """All of them, in the order of the policies. An empty list narrows nothing and is none."""
    for policy in policies:
        for spec in policy.specs if isinstance(policy, CiliumPolicy) else ():
            yield from _of_spec(spec)


def _of_spec(spec: CiliumSpec) -> Iterator[RequestRules]:
    for rule in (*(spec.ingress or ()), *(spec.egress or ())):
        for entry in rule.ports or ():
            if entry.rules is not None and entry.rules.http:
                yield RequestRules("toPorts.rules.http", entry.rules.origin, rule.origin)
            if entry.rules is not None and entry.rules.kafka:
                yield RequestRules("toPorts.rules.kafka", entry.rules.origin, rule.origin)
