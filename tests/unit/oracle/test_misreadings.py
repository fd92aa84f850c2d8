"""Misreadings: each is another policy, and a flow that asks about the value tells the two apart."""

from pathlib import Path

import pytest
import yaml

from harness.manifests.place import SCENARIOS
from harness.model.flow import ICMP, Flow, Verdict
from harness.model.topology import Topology
from harness.oracle import casebook_values, direct
from harness.oracle.misreadings import misreadings

TOPOLOGY = SCENARIOS / "topologies" / "mesh.yaml"
NP = "{kind: NetworkPolicy, metadata: {name: one, namespace: shop}, spec: %s}"
CNP = "{kind: CiliumNetworkPolicy, metadata: {name: one, namespace: shop}, spec: %s}"
CCNP = "{kind: CiliumClusterwideNetworkPolicy, metadata: {name: one}, spec: %s}"
API = "podSelector: {matchLabels: {app: api}}"
ENDPOINT = "endpointSelector: {matchLabels: {app: api}}"


@pytest.fixture(scope="module")
def mesh() -> Topology:
    return casebook_values.topology("mesh", yaml.safe_load(Path(TOPOLOGY).read_text()))


def _noticed(text: str, flow: Flow, mesh: Topology) -> set[tuple[str, str]]:
    """Field and misreading of each that changes the verdict of ``flow``."""
    policies = [casebook_values.policy(each) for each in yaml.safe_load_all(text)]

    def through(these: object) -> bool:
        return direct.answer(flow, these, mesh).verdict is Verdict.FORWARDED  # type: ignore[arg-type]

    sound = through(policies)
    return {(each.field, each.taken) for each in misreadings(policies, mesh) if through(each.instead) is not sound}


def _to_api(source: str, port: int = 8080, protocol: str = "TCP", family: int = 4) -> Flow:
    return Flow(source, "shop/api", port, protocol, family, ICMP(8) if protocol == "ICMP" else None)


@pytest.mark.parametrize(
    ("policy", "flow", "field", "taken"),
    [
        (
            NP % f"{{{API}, ingress: [{{ports: [{{port: 8080, endPort: 8081}}]}}]}}",
            _to_api("shop/client", 8081),
            "NetworkPolicy ingress.ports.endPort",
            "without its last port",
        ),
        (
            NP % f"{{{API}, ingress: [{{from: [{{ipBlock: {{cidr: 10.0.0.0/8, except: [10.1.0.10/32]}}}}]}}]}}",
            _to_api("shop/client"),
            "NetworkPolicy ingress.from.ipBlock.except",
            "not there",
        ),
        (
            NP % f"{{{API}, egress: []}}",
            Flow("shop/api", "shop/cart", 8080),
            "NetworkPolicy policyTypes",
            "[Ingress, Egress]",
        ),
        (
            NP % f"{{{API}, ingress: [{{from: [{{podSelector: {{matchLabels: {{app: client}}}}}}]}}]}}",
            _to_api("lab/client"),
            "NetworkPolicy ingress.from.podSelector",
            "pods of every namespace",
        ),
        (
            CNP % f"{{{ENDPOINT}, ingress: [{{fromEntities: [all]}}], ingressDeny: [{{fromEndpoints: [{{}}]}}]}}",
            _to_api("shop/client"),
            "CNP ingressDeny precedence",
            "loses",
        ),
        (
            CNP % f"{{{ENDPOINT}, enableDefaultDeny: {{ingress: false}}, ingress: [{{fromEndpoints: []}}]}}",
            _to_api("shop/client"),
            "CNP enableDefaultDeny.ingress",
            "true",
        ),
        (
            CNP % f"{{{ENDPOINT}, ingress: [{{icmps: [{{fields: [{{type: 8}}]}}]}}]}}",
            _to_api("shop/client", 0, "ICMP"),
            "CNP ingress.icmps.family",
            "IPv6",
        ),
        (
            CCNP % f"{{{ENDPOINT}, ingress: [{{fromCIDR: [0.0.0.0/0]}}]}}",
            _to_api("data/db"),
            "CCNP ingress.fromCIDR",
            "pods' addresses too",
        ),
    ],
)
def test_a_flow_that_depends_on_a_value_notices_that_it_is_misread(
    policy: str, flow: Flow, field: str, taken: str, mesh: Topology
) -> None:
    assert (field, taken) in _noticed(policy, flow, mesh)


def test_a_flow_that_the_value_is_nothing_to_notices_nothing_of_it(mesh: Topology) -> None:
    policy = NP % f"{{{API}, ingress: [{{ports: [{{port: 8080, endPort: 8081}}]}}]}}"
    assert "NetworkPolicy ingress.ports.endPort" not in {
        field for field, _ in _noticed(policy, _to_api("shop/client", 9090), mesh)
    }
    assert _noticed(policy, Flow("data/db", "data/cache", 8080), mesh) == set()


def test_no_misreading_says_what_was_written(mesh: Topology) -> None:
    text = "\n---\n".join(
        [
            NP
            % f"{{{API}, policyTypes: [Ingress], ingress: [{{from: [{{namespaceSelector: {{}}}}], ports: [{{port: http}}]}}]}}",
            CNP % f"{{{ENDPOINT}, egress: [{{toEntities: [cluster], toPorts: [{{ports: [{{port: '0', protocol: UDP}}]}}]}}]}}",
        ]
    )
    policies = tuple(casebook_values.policy(each) for each in yaml.safe_load_all(text))
    found = list(misreadings(policies, mesh))
    assert found
    assert [each for each in found if each.instead == policies] == []
