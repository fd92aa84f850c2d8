"""What the proxies of both ends' nodes are told refuses the requests that the oracle rejects, and no others."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from request_world import TOPOLOGY, scopes_of

from harness.dataplanes.kafka_laws import law_of
from harness.kafka.reading import Asked
from harness.kafka.rules import Law
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, HTTPRule, KafkaRule, L7Rules, PortRule
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.request import KafkaRequest
from harness.oracle import direct

HERE = Origin("p.yaml", 1)
APPS = ("client", "server", "other")
TOPICS = ("orders", "audit")
NODES = {node: [ip for pod in TOPOLOGY.pods if pod.node == node for ip in pod.ips] for node in TOPOLOGY.nodes}

KAFKA = st.builds(
    KafkaRule,
    st.just(HERE),
    st.sampled_from((None, "produce", "consume")),
    st.none(),
    st.none(),
    st.sampled_from((None, "me")),
    st.sampled_from((None, *TOPICS)),
)
L7 = (
    st.lists(KAFKA, max_size=3).map(lambda rules: L7Rules(HERE, kafka=tuple(rules)))
    | st.just(L7Rules(HERE, http=(HTTPRule(HERE, "GET"),)))
    | st.none()
)
RULES = st.builds(
    lambda app, rules, port: CiliumRule(
        HERE,
        endpoints=None if app is None else (LabelSelector({"app": app}),),
        ports=(PortRule(HERE, (CiliumPort(HERE, str(port), None, "TCP"),), rules),),
    ),
    st.sampled_from((None, *APPS)),
    L7,
    st.sampled_from((9092, 9093)),
)
POLICIES = st.builds(
    lambda app, ingress, egress, deny: CiliumPolicy(
        HERE,
        "p",
        "shop",
        (
            CiliumSpec(
                HERE,
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
REQUESTS = st.builds(
    KafkaRequest,
    st.sampled_from(("produce", "fetch")),
    st.just(9),
    st.sets(st.sampled_from(TOPICS)).map(tuple),
    st.sampled_from((None, "me")),
)
FLOWS = st.builds(
    lambda ends, port, family, request: Flow(*ends, port, family=family, request=request),
    st.permutations([f"shop/{app}" for app in APPS]).map(lambda each: tuple(each[:2])),
    st.sampled_from((9092, 9093)),
    st.sampled_from((4, 6)),
    REQUESTS,
)


@given(st.lists(POLICIES, max_size=3), FLOWS)
def test_a_request_is_refused_where_the_oracle_rejects_it(policies: list[CiliumPolicy], flow: Flow) -> None:
    if direct.answer(replace(flow, request=None), policies, TOPOLOGY).verdict is not Verdict.FORWARDED:
        return  # such a connection reaches no proxy
    request = flow.request
    assert isinstance(request, KafkaRequest)
    asked = Asked({"produce": 0, "fetch": 1}[request.api], 9, 1, request.client_id, frozenset(request.topics), True, None)
    client, broker = (TOPOLOGY.pod(end).ip(flow.family) for end in (flow.source, flow.destination))
    laws = [Law(law_of(scopes_of(policies, local=local))) for local in NODES.values()]
    refused = any(law.refusal(client, broker, flow.port, asked) for law in laws)
    assert refused is (direct.answer(flow, policies, TOPOLOGY).verdict is Verdict.REJECTED)
