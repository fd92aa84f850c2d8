"""Where policies that were read have rules about requests (L7)."""

from collections.abc import Iterable, Iterator

from harness.model.cilium import CiliumPolicy, CiliumSpec, Policy
from harness.model.origin import Origin


def narrowed_rules(policies: Iterable[Policy]) -> Iterator[Origin]:
    """The rules whose ports are narrowed to some requests, in the order of the policies. An empty list narrows nothing."""
    for policy in policies:
        for spec in policy.specs if isinstance(policy, CiliumPolicy) else ():
            yield from _of_spec(spec)


def _of_spec(spec: CiliumSpec) -> Iterator[Origin]:
    for rule in (*(spec.ingress or ()), *(spec.egress or ())):
        if any(entry.rules is not None and (entry.rules.http or entry.rules.kafka) for entry in rule.ports or ()):
            yield rule.origin
