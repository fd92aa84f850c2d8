"""Misreadings of what several policies mean together: who loses to whom, and in which namespace a policy applies."""

from collections.abc import Iterator
from dataclasses import replace

from harness.model.cilium import CiliumPolicy, CiliumSpec, Policy
from harness.model.topology import Topology
from harness.oracle.misreadings.change import Misreading

_Change = Misreading[tuple[Policy, ...]]


def policies(written: tuple[Policy, ...], topology: Topology) -> Iterator[_Change]:
    """Each policy left out, alone, or in other namespaces than its own, and each list of deny rules that loses."""
    for place, each in enumerate(written):
        rest = (*written[:place], *written[place + 1 :])
        beside = " and ".join(sorted({kind(other) for other in rest})) or "none"
        yield Misreading("policies", f"{kind(each)} beside {beside}", "not there", rest)
        if rest:
            yield Misreading("policies", f"{kind(each)} beside {beside}", "alone in force", (each,))
        yield from _elsewhere(each, rest, topology)
        yield Misreading(f"{kind(each)} directions", _directions(each), "exchanged", (*rest, _exchanged(each)))
        if isinstance(each, CiliumPolicy):
            for direction in ("ingress", "egress"):
                yield from _precedence(each, direction, rest)


def kind(policy: Policy) -> str:
    """The short name of a policy's kind."""
    if isinstance(policy, CiliumPolicy):
        return "CCNP" if policy.namespace is None else "CNP"
    return "NetworkPolicy"


def _elsewhere(policy: Policy, rest: tuple[Policy, ...], topology: Topology) -> Iterator[_Change]:
    names = [namespace.name for namespace in topology.namespaces]
    if policy.namespace is None:
        for name in names:
            yield Misreading("CCNP metadata", "no namespace", "one namespace", (*rest, replace(policy, namespace=name)))
        return
    copies = tuple(replace(policy, namespace=name) for name in names)
    yield Misreading(f"{kind(policy)} metadata.namespace", "one namespace", "every namespace", (*rest, *copies))


def _directions(policy: Policy) -> str:
    """Which lists of rules are filled."""
    if isinstance(policy, CiliumPolicy):
        lists = {
            "ingress": any(spec.ingress for spec in policy.specs),
            "egress": any(spec.egress for spec in policy.specs),
            "ingressDeny": any(spec.ingress_deny for spec in policy.specs),
            "egressDeny": any(spec.egress_deny for spec in policy.specs),
        }
    else:
        lists = {"ingress": bool(policy.ingress), "egress": bool(policy.egress)}
    return " and ".join(name for name, filled in lists.items() if filled) or "no rules"


def _exchanged(policy: Policy) -> Policy:
    """What a rule says of one direction, taken for the other: sources for destinations."""
    if isinstance(policy, CiliumPolicy):
        return replace(policy, specs=tuple(_turned(spec) for spec in policy.specs))
    written = policy.policy_types or (("Ingress", "Egress") if policy.egress else ("Ingress",))
    types = tuple({"Ingress": "Egress", "Egress": "Ingress"}[each] for each in written)
    return replace(policy, ingress=policy.egress, egress=policy.ingress, policy_types=types)


def _turned(spec: CiliumSpec) -> CiliumSpec:
    switch = spec.enable_default_deny
    return replace(
        spec,
        ingress=spec.egress,
        egress=spec.ingress,
        ingress_deny=spec.egress_deny,
        egress_deny=spec.ingress_deny,
        enable_default_deny=None if switch is None else replace(switch, ingress=switch.egress, egress=switch.ingress),
    )


def _precedence(policy: CiliumPolicy, direction: str, rest: tuple[Policy, ...]) -> Iterator[_Change]:
    """Deny rules win wherever the allow rule stands; the class says where it does."""
    if not any(getattr(spec, f"{direction}_deny") for spec in policy.specs):
        return
    toothless = replace(policy, specs=tuple(_without(spec, direction) for spec in policy.specs))
    own = [any(getattr(spec, direction) for spec in policy.specs)]
    others = sorted({kind(each) for each in rest if _allows(each, direction)})
    where = " and ".join(["the policy itself"] * own[0] + others) or "none"
    field = f"{kind(policy)} {direction}Deny precedence"
    yield Misreading(field, f"allow rules in {where}", "loses", (*rest, toothless))


def _without(spec: CiliumSpec, direction: str) -> CiliumSpec:
    return replace(spec, ingress_deny=()) if direction == "ingress" else replace(spec, egress_deny=())


def _allows(policy: Policy, direction: str) -> bool:
    if isinstance(policy, CiliumPolicy):
        return any(getattr(spec, direction) for spec in policy.specs)
    return bool(getattr(policy, direction))
