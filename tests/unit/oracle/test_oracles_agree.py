"""The two oracles against one another. MESHPROOF_ORACLE_PAIRS=100000 compares that many pairs of a policy set and a flow."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from policy_worlds import World, worlds

from harness.model.cilium import (
    CIDRSet,
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    ICMPField,
    PortRule,
)
from harness.model.flow import Verdict
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Requirement, Rule
from harness.oracle.direct import answer
from harness.oracle.sets import Oracle

PAIRS = int(os.environ.get("MESHPROOF_ORACLE_PAIRS", "2000"))
FLOWS = 40  # for each set of policies; 200 where more pairs than the default are asked for
SAMPLE = 1000
KINDS = (
    CIDRSet,
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    ICMPField,
    PortRule,
    IPBlock,
    LabelSelector,
    NetworkPolicy,
    Peer,
    PolicyPort,
    Requirement,
    Rule,
)
"""Every kind of value that decides at L3 or L4."""

quiet = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))


def agree(world: World) -> Counter[Verdict]:
    oracle = Oracle(world.policies, world.topology)
    verdicts: Counter[Verdict] = Counter()
    for flow in world.flows:
        direct, sets = answer(flow, world.policies, world.topology), oracle.answer(flow)
        assert direct == sets, f"{flow}"
        verdicts[direct.verdict] += 1
    return verdicts


def test_both_oracles_give_the_same_verdict_and_rule() -> None:
    flow_count = FLOWS if PAIRS <= 2000 else 5 * FLOWS
    compared: Counter[Verdict] = Counter()

    @seed(20260)
    @settings(quiet, max_examples=-(-PAIRS // flow_count), phases=(Phase.generate, Phase.shrink))
    @given(worlds(flow_count))
    def compare(world: World) -> None:
        compared.update(agree(world))

    compare()
    assert compared.total() >= PAIRS


@pytest.fixture(scope="module")
def sample() -> list[World]:
    """The same worlds at every run."""
    drawn: list[World] = []

    @seed(3)
    @settings(quiet, max_examples=SAMPLE, phases=(Phase.generate,))
    @given(worlds(FLOWS))
    def draw(world: World) -> None:
        drawn.append(world)

    draw()
    return drawn


def test_generated_verdicts_are_neither_all_open_nor_all_closed(sample: list[World]) -> None:
    verdicts: Counter[Verdict] = Counter()
    for world in sample:
        verdicts.update(agree(world))
    assert 0.3 <= verdicts[Verdict.DROPPED] / verdicts.total() <= 0.8


def test_generated_answers_are_of_every_reason(sample: list[World]) -> None:
    reasons = Counter(
        decision.reason
        for world in sample
        for flow in world.flows
        for each in [answer(flow, world.policies, world.topology)]
        for decision in (each.egress, each.ingress)
    )
    for reason in ("denied by rule", "allowed by rule", "isolated, and no rule allows", "no policy isolates"):
        assert reasons[reason] >= 0.02 * reasons.total(), reasons


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_in_one_in_a_hundred_sets(sample: list[World], kind: type) -> None:
    present = Counter(name for world in sample for name in {name for policy in world.policies for name in written(policy)})
    for field in fields(kind):
        name = f"{kind.__name__}.{field.name}"
        assert present[name] >= SAMPLE / 100, f"{name} is in {present[name]} of {SAMPLE} sets"


def written(value: object) -> Iterator[str]:
    """The fields that hold something, however deep."""
    if is_dataclass(value):
        for field in fields(value):
            inner = getattr(value, field.name)
            if inner is not None and inner not in ({}, ()):
                yield f"{type(value).__name__}.{field.name}"
                yield from written(inner)
    elif isinstance(value, tuple):
        for each in value:
            yield from written(each)
