from dataclasses import replace

import pytest

from harness.campaign.conformance.oracles import consult
from harness.model.bench import Expectation
from harness.model.case import Case, Step
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, HTTPRule, L7Rules, PortRule
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.request import HTTPRequest
from harness.model.topology import Namespace, Pod, Topology

HERE = Origin("scenario.yaml", 5)
TOPOLOGY = Topology("t", ("n1",), (Namespace("shop"),), (Pod("client", "shop", "n1"), Pod("api", "shop", "n1")))
RULES = L7Rules(HERE, http=(HTTPRule(HERE, path="/public"),))
ON_8080 = PortRule(HERE, (CiliumPort(HERE, "8080", protocol="TCP"),), RULES)
POLICY = CiliumPolicy(HERE, "p", "shop", (CiliumSpec(HERE, LabelSelector(), (CiliumRule(HERE, ports=(ON_8080,)),)),))
CONNECTION = Flow("shop/client", "shop/api", 8080)
PUBLIC = replace(CONNECTION, request=HTTPRequest(path="/public"))
PRIVATE = replace(CONNECTION, request=HTTPRequest(path="/private"))
ELSEWHERE = replace(PUBLIC, port=80)
FORWARDED, DENIED, DROPPED, REJECTED = Verdict.FORWARDED, Verdict.DENIED, Verdict.DROPPED, Verdict.REJECTED


@pytest.mark.parametrize(
    ("flow", "verdict", "agreed"),
    [
        (CONNECTION, FORWARDED, True),
        (PUBLIC, FORWARDED, True),
        (PUBLIC, REJECTED, False),
        (PRIVATE, REJECTED, True),
        (PRIVATE, DENIED, True),
        (PRIVATE, DROPPED, False),
        (PRIVATE, FORWARDED, False),
        (ELSEWHERE, DROPPED, True),
        (ELSEWHERE, FORWARDED, False),
    ],
)
def test_a_case_about_requests_agrees_with_the_oracle_that_knows_them(flow: Flow, verdict: Verdict, agreed: bool) -> None:
    step = Step(HERE, (POLICY,), (Expectation(HERE, flow, verdict),))
    consulted = consult(Case("c", "l7", "t", "w", HERE, TOPOLOGY, (step,)), TOPOLOGY)
    assert bool(consulted.contradictions) is not agreed
