"""What a search draws: policies, flows, and packets, over the pods of one topology."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

from harness.manifests.cilium_labels import NAMESPACE_KEY, bare
from harness.model.cilium import CiliumPolicy, Policy
from harness.model.crafts import CRAFTS
from harness.model.flow import ICMP, Flow
from harness.model.packet import ECHO_REQUEST, CraftedPacket
from harness.model.topology import Topology
from harness.search.cilium import cilium_policies
from harness.search.policies import Lines, network_policies, several
from harness.search.vocabulary import Vocabulary

POLICIES, PACKETS = 4, 4
"""At most, in a draft."""

LISTS, FLOWS = 16, 10
"""Flows are drawn as so many lists of so many at most: hypothesis keeps a single long one short, and flows cost little."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be drawn: what a data plane claims, less the crafts of which failures are known already."""

    topology: Topology
    words: Vocabulary
    protocols: tuple[str, ...] = ("TCP", "UDP", "ICMP")
    families: tuple[int, ...] = (4, 6)
    cilium: bool = True
    crafts: tuple[str, ...] = tuple(CRAFTS)


@dataclass(frozen=True, slots=True)
class Draft:
    """An example as drawn. What should become of its flows and packets is not said yet."""

    policies: tuple[Policy, ...]
    flows: tuple[Flow, ...]
    packets: tuple[CraftedPacket, ...]


@composite
def drafts(draw: DrawFn, scope: Scope) -> Draft:
    """Drafts that can be written as manifests, now and then without a policy, without flows or without packets."""
    policies = draw(st.integers(0, 7).flatmap(lambda chance: _policies(scope) if chance else st.just(())))
    flows = [flow for _ in range(LISTS) for flow in draw(st.lists(_flows(scope), max_size=FLOWS))]
    packets: Sequence[CraftedPacket] = draw(several(_packets(scope), 0, PACKETS)) if scope.crafts else ()
    return Draft(policies, tuple(dict.fromkeys(flows)), tuple(dict.fromkeys(packets)))


@composite
def _policies(draw: DrawFn, scope: Scope) -> tuple[Policy, ...]:
    lines = Lines()
    kinds: SearchStrategy[Policy] = network_policies(scope.words, lines)
    if scope.cilium:
        of_cilium = cilium_policies(scope.words, lines).filter(_placed)
        kinds = kinds | of_cilium | of_cilium
    return tuple(replace(policy, name=f"p{number}") for number, policy in enumerate(draw(several(kinds, 1, POLICIES)), 1))


def _placed(policy: CiliumPolicy) -> bool:
    """Whether none of its subjects is of another namespace than the policy: readers refuse such."""
    return policy.namespace is None or all(
        value == policy.namespace
        for spec in policy.specs
        for key, value in spec.endpoint_selector.match_labels.items()
        if bare(key) == NAMESPACE_KEY
    )


def _pairs(scope: Scope) -> SearchStrategy[tuple[str, str]]:
    return st.sampled_from(list(permutations([pod.ref for pod in scope.topology.pods], 2)))


@composite
def _flows(draw: DrawFn, scope: Scope) -> Flow:
    source, destination = draw(_pairs(scope))
    protocol, family = draw(st.sampled_from(scope.protocols)), draw(st.sampled_from(scope.families))
    if protocol == "ICMP":
        return Flow(source, destination, 0, protocol, family, ICMP(ECHO_REQUEST[family]))
    return Flow(source, destination, draw(st.sampled_from(scope.words.ports)), protocol, family)


@composite
def _packets(draw: DrawFn, scope: Scope) -> CraftedPacket:
    craft = CRAFTS[draw(st.sampled_from(scope.crafts))]
    source, destination = draw(_pairs(scope))
    family = draw(st.sampled_from([each for each in craft.families if each in scope.families]))
    port = 0 if craft.protocol == "ICMP" else draw(st.sampled_from(scope.words.ports))
    strangers = [pod.ref for pod in scope.topology.pods if pod.ref not in (source, destination)]
    outside = [address for address in scope.words.outside if (":" in address) == (family == 6)]
    return CraftedPacket(
        craft.name, source, destination, port, family,
        claims=draw(st.sampled_from(strangers + outside)) if "claims" in craft.asks else None,
        cover=draw(st.sampled_from(scope.words.ports)) if "cover" in craft.asks else None,
    )  # fmt: skip
