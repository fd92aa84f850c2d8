"""What the kernel routes Envoy would not refuse, whichever of the backends it drew."""

from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st
from kernel_routes import decide, takes
from request_world import CLUSTER, LOCAL, TOPOLOGY, Asked, matching

from harness.dataplanes.l7targets import law
from harness.dataplanes.routed import Fronts, routed
from harness.envoy.admission import Direction
from harness.envoy.service_backends import Backend
from harness.mesh.l7choices import Plan
from harness.mesh.l7layout import Pair
from harness.mesh.policy import granted
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, HeaderMatch, HTTPRule, L7Rules, PortRule
from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.routing import Routing
from harness.model.service import Service, ServicePort

HERE = Origin("m.yaml", 7)
SERVICE = Service(HERE, "web", "shop", (ServicePort(HERE, 8080, target_port=80),), {})
ADDRESSES = {"shop/web": ("192.0.2.7", "2001:db8::7")}
"""What request_world calls ``outside``."""

PODS = [pod for pod in TOPOLOGY.pods if pod.node == "n1"]
IPS = [ip for pod in TOPOLOGY.pods for ip in pod.ips]

HTTP = st.builds(
    HTTPRule,
    st.just(HERE),
    st.sampled_from([None, "GET", "POST", "GET|POST"]),
    st.sampled_from([None, "/a", "/a/.*", "/.*", "/b"]),
    st.sampled_from([None, None, None, "server"]),
    st.sampled_from([None, None, None, ("X: y",)]),
    st.sampled_from([None, None, None, (HeaderMatch("x", "y", mismatch="ADD"),)]),
)
RULES = st.builds(
    lambda peer, requests, first: CiliumRule(
        HERE,
        endpoints=None if peer is None else (LabelSelector({"app": peer}),),
        ports=(
            PortRule(
                HERE,
                (CiliumPort(HERE, str(first), first + 1, "TCP"),),
                L7Rules(HERE, http=tuple(requests)) if requests else None,
            ),
        ),
    ),
    st.sampled_from([None, "client", "server", "other"]),
    st.lists(HTTP, max_size=2),
    st.integers(79, 81),
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
    st.sampled_from(["client", "server", "other"]),
    st.lists(RULES, max_size=2),
    st.lists(RULES, max_size=2),
    st.lists(RULES, max_size=1),
)


@settings(max_examples=400)
@given(
    st.lists(POLICIES, max_size=3),
    st.sampled_from([{"app": "server"}, {"app": "other"}, None]),
    st.sampled_from([4, 6]),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["/", "/a", "/a/b", "/b"]),
)
def test_what_the_kernel_routes_no_backend_of_its_route_refuses(
    policies: list[CiliumPolicy], selector: dict[str, str] | None, family: int, method: str, path: str
) -> None:
    """To a pod of the client's node, of another, or either; what is asked has no header that a rule wants."""
    selected = [selector] if selector else [{"app": "server"}, {"app": "other"}]
    pods = [pod for pod in TOPOLOGY.pods if any(pod.labels.items() >= each.items() for each in selected)]
    labelled = replace(
        TOPOLOGY,
        pods=tuple(replace(pod, labels={**pod.labels, **({"web": "yes"} if pod in pods else {})}) for pod in TOPOLOGY.pods),
    )
    service = replace(SERVICE, selector={"web": "yes"})
    found = routed(Fronts(Routing((service,)), ADDRESSES), labelled, PODS, granted(policies, CLUSTER), CLUSTER)
    said = law((), LOCAL, IPS, found)
    client = TOPOLOGY.pod("shop/client").ip(family)
    front = said.front(Pair(client, ADDRESSES["shop/web"][family == 6], 8080))
    assert front is not None
    choice = decide(Plan(front).table(client, said.routed_target), method, path, [])
    fast = choice.slow is None and all(takes(rules, method, path) for rules in choice.sets)
    event("fast" if fast else "slow")
    refused = {
        pod.ref: [
            name
            for direction in Direction
            for name in matching(
                found.rules(1).of(Backend(pod.ip(family), 80)).refused[direction],
                Asked("client", "outside", 8080, family, method, path, "web"),
            )
        ]
        for pod in pods
    }
    if fast:
        assert not any(refused.values())
    if not policies:
        assert fast
