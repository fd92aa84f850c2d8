from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.campaign.conformance.features import manner, needs, obstacle
from harness.dataplanes import find
from harness.dataplanes.port import Feature, No, Unknown, Yes
from harness.model.bench import Expectation
from harness.model.case import Case, CaseOutcome, Step
from harness.model.cilium import CIDRSet, CiliumPolicy, CiliumRule, CiliumSpec, L7Rules, Policy, PortRule
from harness.model.flow import ICMP, Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, Rule
from harness.model.request import HTTPRequest, KafkaRequest
from harness.model.topology import Topology

HERE = Origin("scenario.yaml", 1)
TCP = Flow("shop/client", "shop/api", 8080)


class Claims:
    """A data plane that claims everything but what ``answers`` says."""

    name = "claims"
    title = "a data plane of a test"

    def __init__(self, **answers: Any) -> None:
        self._answers = {Feature[name]: answer for name, answer in answers.items()}

    def supports(self, feature: Feature) -> Any:
        return self._answers.get(feature, Yes(denies=Verdict.DROPPED))

    def attach(self, lab: Any) -> Any:
        raise NotImplementedError


def case(policies: Sequence[Policy] = (), flow: Flow = TCP) -> Case:
    step = Step(HERE, tuple(policies), (Expectation(HERE, flow, Verdict.DENIED),))
    return Case("x", "policy", "t", "w", HERE, Topology("t", (), (), ()), (step,))


def network_policy(rule: Rule) -> NetworkPolicy:
    return NetworkPolicy(HERE, "np", "shop", LabelSelector(), egress=(rule,))


def cilium_policy(**fields: tuple[CiliumRule, ...]) -> CiliumPolicy:
    return CiliumPolicy(HERE, "cnp", "shop", (CiliumSpec(HERE, LabelSelector(), **fields),))


BLOCK = network_policy(Rule(HERE, peers=(Peer(HERE, ip_block=IPBlock("10.0.0.0/8")),)))
CILIUM = cilium_policy(ingress=(CiliumRule(HERE),))
DENY = cilium_policy(egress_deny=(CiliumRule(HERE),))
CIDR = cilium_policy(egress=(CiliumRule(HERE, cidr_sets=(CIDRSet(HERE, "10.0.0.0/8"),)),))

HTTP = cilium_policy(ingress=(CiliumRule(HERE, ports=(PortRule(HERE, rules=L7Rules(HERE, http=())),)),))
KAFKA = cilium_policy(ingress=(CiliumRule(HERE, ports=(PortRule(HERE, rules=L7Rules(HERE, kafka=())),)),))


@pytest.mark.parametrize(
    ("asked", "features"),
    [
        (case(), {Feature.POLICY_TCP}),
        (case(flow=Flow("a/b", "a/c", 53, "UDP", 6)), {Feature.POLICY_UDP, Feature.IPV6}),
        (case(flow=Flow("a/b", "a/c", 0, "ICMP", icmp=ICMP(8))), {Feature.POLICY_ICMP}),
        (case([BLOCK]), {Feature.POLICY_TCP, Feature.POLICY_CIDR}),
        (case([CILIUM]), {Feature.POLICY_TCP, Feature.POLICY_CILIUM}),
        (case([DENY]), {Feature.POLICY_TCP, Feature.POLICY_CILIUM, Feature.POLICY_DENY}),
        (case([CIDR]), {Feature.POLICY_TCP, Feature.POLICY_CILIUM, Feature.POLICY_CIDR}),
        (case([HTTP]), {Feature.POLICY_TCP, Feature.POLICY_CILIUM, Feature.POLICY_HTTP}),
        (case([KAFKA]), {Feature.POLICY_TCP, Feature.POLICY_CILIUM, Feature.POLICY_KAFKA}),
    ],
)
def test_a_case_needs_what_its_flows_and_policies_use(asked: Case, features: set[Feature]) -> None:
    assert set(needs(asked)) == features


def test_what_a_plane_does_not_support_is_unsupported_with_its_reason() -> None:
    found = obstacle(case([DENY]), Claims(POLICY_DENY=No("no rules that deny")))
    assert found == (CaseOutcome.UNSUPPORTED, "policy-deny: no rules that deny (asked for at scenario.yaml:1)")


def test_support_that_cannot_be_found_out_is_an_error_not_a_gap() -> None:
    found = obstacle(case(), Claims(POLICY_TCP=Unknown("no such file")))
    assert found is not None
    assert found[0] is CaseOutcome.ERROR


@pytest.mark.parametrize("plane", ["ebpf", "ebpf-sockmap", "nftables"])
@pytest.mark.parametrize("rules", [L7Rules(HERE, http=()), L7Rules(HERE, kafka=())])
def test_rules_about_requests_are_unsupported_where_requests_are_not_judged(rules: L7Rules, plane: str) -> None:
    asked = case([cilium_policy(ingress=(CiliumRule(HERE, ports=(PortRule(HERE, rules=rules),)),))])
    found = obstacle(asked, find(plane))
    assert found is not None
    assert found[0] is CaseOutcome.UNSUPPORTED


@pytest.mark.parametrize("plane", ["sidecar", "sidecar-mtls"])
def test_sidecars_judge_requests_of_http_and_none_of_kafka(plane: str) -> None:
    def found(rules: L7Rules) -> tuple[CaseOutcome, str] | None:
        rule = CiliumRule(HERE, ports=(PortRule(HERE, rules=rules),))
        return obstacle(case([cilium_policy(ingress=(rule,))]), find(plane))

    assert found(L7Rules(HERE, http=())) is None
    of_kafka = found(L7Rules(HERE, kafka=()))
    assert of_kafka is not None
    assert of_kafka[0] is CaseOutcome.UNSUPPORTED


def test_a_host_that_no_lab_has_is_not_asked() -> None:
    found = obstacle(case(flow=Flow("192.0.2.7", "shop/api", 8080)), Claims())
    assert found is not None
    assert found[0] is CaseOutcome.UNSUPPORTED


def test_what_a_plane_claims_is_run() -> None:
    assert obstacle(case([BLOCK, DENY, CIDR]), Claims()) is None


def test_a_sidecar_denies_tcp_by_an_answer_and_udp_not_at_all() -> None:
    sidecar = find("sidecar-mtls")
    assert manner(Expectation(HERE, TCP, Verdict.DENIED), sidecar) is Verdict.REJECTED
    assert manner(Expectation(HERE, Flow("a/b", "a/c", 53, "UDP"), Verdict.DENIED), sidecar) is None


def test_a_request_that_is_to_be_rejected_is_denied_as_the_plane_denies_requests() -> None:
    plane = Claims(POLICY_HTTP=Yes(denies=Verdict.REJECTED))
    asked = replace(TCP, request=HTTPRequest())
    assert manner(Expectation(HERE, asked, Verdict.REJECTED), plane) is Verdict.REJECTED
    assert manner(Expectation(HERE, asked, Verdict.DENIED), plane) is Verdict.DROPPED


def test_a_request_of_kafka_is_denied_as_the_plane_denies_those() -> None:
    plane = Claims(POLICY_HTTP=No("none"), POLICY_KAFKA=Yes(denies=Verdict.REJECTED))
    asked = replace(TCP, request=KafkaRequest("metadata"))
    assert manner(Expectation(HERE, asked, Verdict.REJECTED), plane) is Verdict.REJECTED
    assert manner(Expectation(HERE, asked, Verdict.DENIED), plane) is Verdict.DROPPED
