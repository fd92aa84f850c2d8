"""The kernel lets a request pass only where the node's Envoy would."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_world import LOCAL, TOPOLOGY, Asked, refuses, scopes_of

from harness.dataplanes.l7targets import law
from harness.mesh.l7law import Law, Target
from harness.mesh.l7layout import Pair, RequestRule
from harness.mesh.l7messages import Judge, Messages, line
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, HeaderMatch, HTTPRule, L7Rules, PortRule
from harness.model.origin import Origin
from harness.model.policy import LabelSelector

WHERE = Origin("p.yaml", 1)
PODS = frozenset(ip for each in TOPOLOGY.pods for ip in each.ips)
APPS = ("client", "server", "other")


def pair(source: str, destination: str, port: int = 80, family: int = 4) -> Pair:
    client, backend = (TOPOLOGY.pod(f"shop/{app}").ip(family) for app in (source, destination))
    return Pair(client, backend, port)


def sent(said: Law) -> Law:
    """As it reaches the agent."""
    (judged,) = Messages().of(line(Judge(7, said)))
    assert judged == Judge(7, said)
    assert isinstance(judged, Judge)
    return judged.law


def allows(target: Target | None, method: str, path: str) -> bool:
    """As bpf/l7_judge.h judges."""

    def side(rules: frozenset[RequestRule] | None) -> bool:
        return rules is None or any(
            rule.method in (b"", method.encode())
            and (path.encode().startswith(rule.path) if rule.prefix else path.encode() == rule.path)
            for rule in rules
        )

    return target is not None and side(target.egress) and side(target.ingress)


HTTP = st.builds(
    HTTPRule,
    st.just(WHERE),
    st.sampled_from([None, "GET", "POST", "GET|POST"]),
    st.sampled_from([None, "/a", "/a/.*", "/.*", "/(a|b)", "/b"]),
    st.sampled_from([None, None, "server"]),
    st.sampled_from([None, None, ("X: y",)]),
    st.sampled_from([None, None, None, (HeaderMatch("x", "y", mismatch="ADD"),)]),
)
RULES = st.builds(
    lambda app, requests, port: CiliumRule(
        WHERE,
        endpoints=None if app is None else (LabelSelector({"app": app}),),
        ports=(
            PortRule(
                WHERE, (CiliumPort(WHERE, str(port), None, "TCP"),), L7Rules(WHERE, http=tuple(requests)) if requests else None
            ),
        ),
    ),
    st.sampled_from([None, *APPS]),
    st.lists(HTTP, max_size=3),
    st.sampled_from([80, 81]),
)
POLICIES = st.builds(
    lambda app, ingress, egress, deny: CiliumPolicy(
        WHERE,
        "p",
        "shop",
        (
            CiliumSpec(
                WHERE,
                LabelSelector({"app": app}),
                ingress=tuple(ingress) or None,
                egress=tuple(egress) or None,
                ingress_deny=tuple(replace(rule, ports=None) for rule in deny) or None,
            ),
        ),
    ),
    st.sampled_from(APPS),
    st.lists(RULES, max_size=2),
    st.lists(RULES, max_size=2),
    st.lists(RULES, max_size=1),
)
ASKED = st.builds(
    Asked,
    st.sampled_from(["client", "server"]),
    st.sampled_from(APPS),
    st.sampled_from([80, 81]),
    st.sampled_from([4, 6]),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["/", "/a", "/a/b", "/b"]),
)


@given(st.lists(POLICIES, max_size=3), ASKED)
def test_what_the_kernel_allows_envoy_does_not_refuse(policies: list[CiliumPolicy], asked: Asked) -> None:
    found = scopes_of(policies)
    target = sent(law(found, LOCAL, PODS)).target(pair(asked.source, asked.destination, asked.port, asked.family))
    if allows(target, asked.method, asked.path):
        assert not refuses(found, asked)


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ((HTTPRule(WHERE, "GET", "/a"),), frozenset({RequestRule(b"GET", b"/a", False)})),
        ((HTTPRule(WHERE, path="/a"), HTTPRule(WHERE, path="/b+")), frozenset({RequestRule(b"", b"/a", False)})),
        ((), None),
    ],
)
def test_rules_that_the_kernel_can_ask_are_asked(
    requests: tuple[HTTPRule, ...], expected: frozenset[RequestRule] | None
) -> None:
    ports = (PortRule(WHERE, (CiliumPort(WHERE, "80", None, "TCP"),), L7Rules(WHERE, http=requests)),)
    rule = CiliumRule(WHERE, endpoints=(LabelSelector({"app": "client"}),), ports=ports)
    policy = CiliumPolicy(WHERE, "p", "shop", (CiliumSpec(WHERE, LabelSelector({"app": "server"}), ingress=(rule,)),))
    target = sent(law(scopes_of([policy]), LOCAL, PODS)).target(pair("client", "server"))
    assert target == Target(None, expected)


@pytest.mark.parametrize(
    "requests",
    [
        (HTTPRule(WHERE, path="/b+"),),
        (HTTPRule(WHERE, "GET"), HTTPRule(WHERE, header_matches=(HeaderMatch("x", "y", mismatch="LOG"),))),
    ],
    ids=["no rule that it can ask", "rules that change requests"],
)
def test_all_other_pairs_are_the_proxys(requests: tuple[HTTPRule, ...]) -> None:
    ports = (PortRule(WHERE, (CiliumPort(WHERE, "80", None, "TCP"),), L7Rules(WHERE, http=requests)),)
    rule = CiliumRule(WHERE, endpoints=(LabelSelector({"app": "client"}),), ports=ports)
    policy = CiliumPolicy(WHERE, "p", "shop", (CiliumSpec(WHERE, LabelSelector({"app": "server"}), ingress=(rule,)),))
    assert sent(law(scopes_of([policy]), LOCAL, PODS)).target(pair("client", "server")) is None


def test_requests_to_services_are_the_proxys() -> None:
    assert law([], LOCAL, PODS).target(Pair("10.0.0.1", "172.20.0.9", 80)) is None
