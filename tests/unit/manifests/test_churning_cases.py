"""Cases whose pods change and whose streams go on: what they mean, and what is refused at its line."""

from pathlib import Path

import pytest

from harness.campaign.topologies import topologies
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError
from harness.model.case import Case
from harness.model.flow import Flow, Verdict

TOPOLOGY = """\
nodes: [n1, n2]
namespaces: {shop: {}, evil: {}}
pods:
  - {name: client, namespace: shop, node: n1, ips: [10.1.0.10]}
  - {name: server, namespace: shop, node: n2}
"""
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {}}
"""
BEGINNING = """\
title: T
why: W
topology: ../../topology.yaml
steps:
  - apply: [p.yaml]
    streams:
      - {from: shop/client, to: shop/server, port: 7000}
    expect:
      streams:
        - {from: shop/client, to: shop/server, port: 7000, verdict: denied}
"""
STEP = """\
  - pods:
      - {delete: shop/server}
      - {create: evil/heir, node: n2, labels: {app: heir}, addresses_of: shop/server}
    expect:
      streams:
        - {from: shop/client, to: shop/server, port: 7000, family: 4, verdict: forwarded}
"""


DENIED = "    expect: {otherwise: denied}\n"


def load(tmp_path: Path, text: str) -> Case:
    folder = tmp_path / "identity" / "case"
    folder.mkdir(parents=True)
    (tmp_path / "topology.yaml").write_text(TOPOLOGY)
    (folder / "p.yaml").write_text(POLICY)
    (folder / "scenario.yaml").write_text(text)
    (case,) = load_cases([folder])
    return case


def test_a_stream_is_asked_as_the_flow_between_those_who_have_its_addresses_now(tmp_path: Path) -> None:
    first, second = load(tmp_path, BEGINNING + STEP).steps
    opened = Flow("shop/client", "shop/server", 7000, "UDP", 4)
    assert [each.asked for each in first.stream_expectations] == list(first.streams)
    (expectation,) = second.stream_expectations
    assert (expectation.stream, expectation.asked) == (opened, Flow("shop/client", "evil/heir", 7000, "UDP", 4))
    assert expectation.moved
    assert expectation.verdict is Verdict.FORWARDED


def test_policies_stay_while_pods_change(tmp_path: Path) -> None:
    first, second = load(tmp_path, BEGINNING + STEP).steps
    assert second.policies == first.policies != ()
    assert (first.keeps, second.keeps) == (False, True)


def test_a_pod_gets_the_addresses_of_another_or_some_that_nobody_ever_had(tmp_path: Path) -> None:
    again = "  - pods: [{delete: evil/heir}, {create: shop/server, node: n2}]\n" + DENIED
    case = load(tmp_path, BEGINNING + STEP + again)
    first, second, third = topologies(case, plan(case.topology).topology)
    assert second.pod("evil/heir").ips == first.pod("shop/server").ips
    assert not set(third.pod("shop/server").ips) & set(first.pod("shop/server").ips)
    assert [pod.ref for pod in third.pods] == ["shop/client", "shop/server"]


def test_two_pods_can_take_over_each_others_addresses(tmp_path: Path) -> None:
    swap = """\
  - pods:
      - {delete: shop/client}
      - {delete: shop/server}
      - {create: shop/client, node: n2, addresses_of: shop/server}
      - {create: shop/server, node: n1, addresses_of: shop/client}
    expect: {otherwise: denied}
"""
    case = load(tmp_path, BEGINNING + swap)
    before, after = topologies(case, plan(case.topology).topology)
    assert after.pod("shop/client").ips == before.pod("shop/server").ips
    assert after.pod("shop/server").ips == before.pod("shop/client").ips


@pytest.mark.parametrize(
    ("step", "refusal"),
    [
        ("  - pods: [{delete: shop/sever}]\n" + DENIED, '11: steps[1].pods[0].delete: no pod "shop/sever"'),
        ("  - pods: [{create: shop/client}]\n" + DENIED, "11: steps[1].pods[0].create: pod"),
        ("  - pods: [{create: nowhere/x}]\n" + DENIED, '11: steps[1].pods[0].create: no namespace "nowhere"'),
        ("  - pods: [{create: shop/x, node: n3}]\n" + DENIED, '11: steps[1].pods[0].node: no node "n3"'),
        ("  - pods: [{create: shop/x, addresses_of: shop/client}]\n" + DENIED,
         "11: steps[1].pods[0].addresses_of: its addresses are those of shop/client now"),
        ("  - pods: [{create: shop/x, addresses_of: shop/y}]\n" + DENIED,
         '11: steps[1].pods[0].addresses_of: there was no pod "shop/y"'),
        ("  - pods: [{create: shop/x}, {delete: shop/server}]\n" + DENIED,
         "11: steps[1].pods[1].delete: pods are deleted before"),
        ("  - pods: [{delete: shop/server, node: n1}]\n" + DENIED, "11: steps[1].pods[0].delete: a deleted pod"),
        ("  - pods: [{}]\n" + DENIED, "11: steps[1].pods[0]: want one of delete and create"),
        ("  - pods: [{delete: shop/server}]\n    apply: [p.yaml]\n" + DENIED, "12: steps[1].apply: beside pods"),
        ("  - pods: [{delete: shop/client}]\n    expect:\n      streams:\n"
         "        - {from: shop/client, to: shop/server, port: 7000, family: 4, verdict: denied}\n",
         '14: steps[1].expect.streams[0].from: pod "shop/client" was deleted, and its stream ended'),
        ("  - pods: [{delete: shop/server}]\n    expect:\n      streams:\n"
         "        - {from: shop/client, to: shop/server, port: 7000, family: 4, verdict: denied}\n",
         "14: steps[1].expect.streams[0].to: nobody has the address"),
        ("  - pods: [{create: shop/x}]\n    expect:\n      streams:\n"
         "        - {from: shop/client, to: shop/x, port: 7000, verdict: denied}\n",
         "14: steps[1].expect.streams[0]: no stream shop/client -> shop/x:7000/UDP"),
        ("  - streams: [{from: shop/client, to: shop/server, port: 7000}]\n" + DENIED,
         "11: steps[1].streams[0]: the stream"),
        ("  - expect: {flows: [{from: shop/client, to: shop/server, port: 7000, verdict: denied}]}\n",
         "7: steps[0].streams[0].port: flows of this case go to 7000 too"),
        ("  - expect: {flows: [{from: shop/client, to: shop/server, port: 1, opened: earlier, verdict: denied}]}\n",
         "11: steps[1].expect: packets, exchanges, requests and older connections"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(tmp_path: Path, step: str, refusal: str) -> None:
    with pytest.raises(ManifestError) as refused:
        load(tmp_path, BEGINNING + step)
    assert any(f"scenario.yaml:{refusal}" in str(fault) for fault in refused.value.faults), refused.value


def test_nothing_changes_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="nothing changes before the first step"):
        load(tmp_path, BEGINNING.replace("apply: [p.yaml]", "pods: [{delete: shop/server}]"))
