"""Rules about requests in the mesh's tables: they allow requests, not flows; who looks into none is not told of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_world import World

from harness.mesh.grants import EGRESS, INGRESS, PolicyError
from harness.mesh.layout import RULE_REQUESTS
from harness.mesh.policy import SUBJECT_OPEN, Compiled, granted, tables_of
from harness.model.cilium import (
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    HTTPRule,
    L7Rules,
    PortRule,
)
from harness.model.origin import Origin
from harness.model.policy import LabelSelector

POLICY, RULE, REQUESTS = (Origin("requests.yaml", line) for line in (1, 9, 20))
ONE = (HTTPRule(REQUESTS, path="/"),)


def rule(http: tuple[HTTPRule, ...] | None, port: str = "80", protocol: str | None = "TCP") -> CiliumRule:
    ports = (CiliumPort(RULE, port, None, protocol),)
    return CiliumRule(
        RULE, endpoints=(LabelSelector({"app": "web"}),), ports=(PortRule(RULE, ports, L7Rules(REQUESTS, http=http)),)
    )


def policy(*rules: CiliumRule, isolates: bool | None = None) -> CiliumPolicy:
    default = None if isolates is None else EnableDefaultDeny(isolates, isolates)
    return CiliumPolicy(
        POLICY, "p", "shop", (CiliumSpec(POLICY, LabelSelector({"app": "db"}), ingress=rules, enable_default_deny=default),)
    )


def compiled(world: World, *policies: CiliumPolicy) -> Compiled:
    return tables_of(granted(policies, world.cluster), world.cluster)


def test_an_entry_says_that_its_rule_looks_into_requests(world: World) -> None:
    found = compiled(world, policy(rule(ONE)))
    (number,) = found.entries.values()
    assert number & RULE_REQUESTS
    assert found.rule(number) == RULE


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_rule_that_looks_into_none_wins_in_an_entry_of_both(world: World, order: tuple[int, int]) -> None:
    policies = [policy(rule(ONE)), policy(rule(None))]
    (number,) = compiled(world, *(policies[at] for at in order)).entries.values()
    assert not number & RULE_REQUESTS


def test_an_empty_list_narrows_nothing(world: World) -> None:
    (number,) = world.compile(policy(rule(()))).entries.values()
    assert not number & RULE_REQUESTS


def test_who_is_not_isolated_has_entries_where_requests_are_looked_into(world: World) -> None:
    db = world.id("shop/db")
    found = compiled(world, policy(rule(ONE), isolates=False))
    assert found.subjects[INGRESS, db].shapes & SUBJECT_OPEN
    assert len(found.entries) == 1
    assert found.subjects[EGRESS, db].number == 0
    assert compiled(world, policy(rule(None), isolates=False)).entries == {}


def test_without_a_judge_of_requests_the_policy_is_refused(world: World) -> None:
    with pytest.raises(PolicyError, match=r"^requests\.yaml:20: toPorts\.rules\.http: this data plane does not parse requests"):
        world.compile(policy(rule(ONE)))


@pytest.mark.parametrize(("port", "protocol"), [("80", "UDP"), ("80", None), ("80", "ANY"), ("0", "TCP")])
def test_requests_are_those_of_tcp_ports(world: World, port: str, protocol: str | None) -> None:
    with pytest.raises(PolicyError, match=r"^requests\.yaml:20: toPorts\.rules\.http: want ports of TCP"):
        compiled(world, policy(rule(ONE, port, protocol)))


PEERS = {
    "web": {"endpoints": (LabelSelector({"app": "web"}),)},
    "db": {"endpoints": (LabelSelector({"app": "db"}),)},
    "pods": {"entities": ("cluster",)},
    "outside": {"cidrs": ("192.0.2.0/24",)},
    "all": {"entities": ("all",)},
}
MEANT = {"pods": {"web", "db"}, "all": {"web", "db", "outside"}}
ENDS = {"web": "shop/web", "outside": "192.0.2.7"}
PORTS = st.sampled_from([None, (80, 80), (80, 82), (81, 81), (1, 65535)])


@st.composite
def drawn_rules(draw: st.DrawFn) -> tuple[CiliumRule, str, tuple[int, int] | None, bool]:
    peer, span, narrows = draw(st.sampled_from(list(PEERS))), draw(PORTS), draw(st.booleans())
    if span is None:
        return CiliumRule(RULE, **PEERS[peer]), peer, None, False
    first, last = span
    ports = (CiliumPort(RULE, str(first), None if first == last else last, "TCP"),)
    rules = L7Rules(REQUESTS, http=ONE) if narrows else None
    return CiliumRule(RULE, ports=(PortRule(RULE, ports, rules),), **PEERS[peer]), peer, span, narrows


@given(st.lists(drawn_rules(), max_size=4), st.booleans(), st.sampled_from(["web", "outside"]), st.integers(79, 83))
def test_a_flow_is_the_proxys_if_all_rules_that_allow_it_look_into_requests(
    drawn: list[tuple[CiliumRule, str, tuple[int, int] | None, bool]], isolates: bool, source: str, port: int
) -> None:
    policies = [policy(each[0], isolates=isolates) for each in drawn]
    about = [
        narrows
        for _, peer, span, narrows in drawn
        if source in MEANT.get(peer, {peer}) and (span is None or span[0] <= port <= span[1])
    ]
    expected = "dropped" if drawn and isolates and not about else "proxied" if about and all(about) else "allowed"
    assert World().answer(policies, ENDS[source], "shop/db", port) == expected
