"""Conformance cases: policies and matrices, once or in steps, from folders of any depth."""

from pathlib import Path

import pytest

from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError
from harness.manifests.place import SCENARIOS
from harness.model.case import Case
from harness.model.flow import ICMP, Flow, Verdict

TOPOLOGY = """\
namespaces: {shop: {}}
pods:
  - {name: a, namespace: shop, ips: [10.0.0.1, "fd00::1"]}
  - {name: b, namespace: shop, ips: [10.0.0.2]}
  - {name: c, namespace: shop}
"""
POLICY = """\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
spec: {endpointSelector: {}}
---
apiVersion: v1
kind: Service
"""
HEAD = "title: T\nwhy: W\ntopology: ../../topology.yaml\n"
STEPS = """\
generated: true
steps:
  - expect: {flows: [{from: shop/a, to: shop/c, port: 80, family: 4, verdict: forwarded}]}
  - apply: [p.yaml]
    expect:
      flows:
        - {from: shop/a, to: shop/c, port: 53, protocol: UDP, family: 6, verdict: dropped}
        - {from: shop/a, to: shop/c, protocol: ICMP, verdict: denied}
        - {from: shop/a, to: shop/c, protocol: ICMP, icmp: {type: 3, code: 4}, family: 4, verdict: denied}
        - {from: {ip: "192.0.2.7"}, to: shop/b, port: 80, verdict: denied}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "policy" / "first"
    folder.mkdir(parents=True)
    (tmp_path / "topology.yaml").write_text(TOPOLOGY)
    (folder / "p.yaml").write_text(POLICY)
    return folder / "scenario.yaml"


def load(file: Path, text: str) -> Case:
    file.write_text(HEAD + text)
    (case,) = load_cases([file.parents[2]])
    return case


def refusal(file: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as refused:
        load(file, text)
    return [str(fault).removeprefix(f"{file}:") for fault in refused.value.faults]


def test_the_steps_of_a_case_reach_the_model(file: Path) -> None:
    case = load(file, STEPS)
    assert (case.id, case.title, case.why, case.generated, case.not_judged) == ("policy/first", "T", "W", True, {"Service": 1})
    assert [[policy.name for policy in step.policies] for step in case.steps] == [[], ["p"]]
    assert [step.origin.line for step in case.steps] == [6, 7]
    assert [(each.origin.line, each.flow, each.verdict) for each in case.steps[1].expectations] == [
        (10, Flow("shop/a", "shop/c", 53, "UDP", 6), Verdict.DROPPED),
        (11, Flow("shop/a", "shop/c", 0, "ICMP", 4, ICMP(8)), Verdict.DENIED),
        (11, Flow("shop/a", "shop/c", 0, "ICMP", 6, ICMP(128)), Verdict.DENIED),
        (12, Flow("shop/a", "shop/c", 0, "ICMP", 4, ICMP(3, 4)), Verdict.DENIED),
        (13, Flow("192.0.2.7", "shop/b", 80, "TCP", 4), Verdict.DENIED),
    ]


def test_without_steps_a_case_has_one_and_otherwise_is_about_its_port(file: Path) -> None:
    case = load(file, "port: 81\napply: [p.yaml]\nexpect: {otherwise: denied}\n")
    (step,) = case.steps
    assert [policy.name for policy in step.policies] == ["p"]
    assert {each.flow.port for each in step.expectations} == {81}
    assert len(step.expectations) == 3 * 2 * 2


def test_a_case_is_named_by_its_folders_however_it_is_reached(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(file, STEPS)
    monkeypatch.chdir(file.parent)
    assert [case.id for path in (file, file.parent, Path(), Path("scenario.yaml")) for case in load_cases([path])] == [
        "policy/first"
    ] * 4


FLOWS = {
    "{from: shop/a, to: shop/c, verdict: denied}": ".port: missing; write it",
    "{from: shop/a, to: shop/c, protocol: ICMP, port: 1, verdict: denied}": ".port: ICMP has no ports; remove it",
    "{from: shop/a, to: shop/c, port: 1, icmp: {type: 8}, verdict: denied}":
        ".icmp: a message of ICMP beside protocol TCP; write protocol: ICMP",
    "{from: shop/a, to: shop/c, protocol: ICMP, icmp: {type: 8}, verdict: denied}":
        ".icmp: types of ICMP differ between IPv4 and IPv6; write family: 4 or 6 beside it",
    "{from: shop/a, to: shop/c, protocol: ICMP, icmp: {type: 256}, family: 4, verdict: denied}":
        ".icmp.type: want at most 255, found the number 256",
    "{from: shop/a, to: shop/c, port: 1, protocol: SCTP, verdict: denied}":
        ".protocol: SCTP is not supported: no data plane here carries it; use TCP or UDP",
    "{from: shop/a, to: shop/d, port: 1, family: 4, verdict: denied}":
        '.to: no pod "shop/d" (did you mean "shop/c"?)',
    "{from: a, to: shop/c, port: 1, verdict: denied}": '.from: want namespace/pod or {ip: ADDRESS}, found the string "a"',
    "{from: {ip: 1}, to: shop/c, port: 1, verdict: denied}": ".from: want namespace/pod or {ip: ADDRESS}, found a mapping",
    '{from: {ip: "10.0.0.0/8"}, to: shop/c, port: 1, verdict: denied}':
        '.from: want an IPv4 or IPv6 address, found "10.0.0.0/8"',
    "{from: {ip: 192.0.2.7}, to: shop/c, port: 1, family: 6, verdict: denied}":
        ".from: 192.0.2.7 is not of IPv6, as the flow is",
    "{from: shop/a, to: shop/b, port: 1, family: 6, verdict: denied}":
        '.to: pod "shop/b" has no IPv6 address; write another family',
    "{from: shop/a, to: shop/c, port: 1, verdict: rejects}":
        '.verdict: want forwarded, denied, dropped or rejected, found the string "rejects" (did you mean "rejected"?)',
    "{from: shop/a, to: shop/c, port: 1, http: {path: a}, verdict: denied}":
        '.http.path: want a path that begins with /, found "a"',
    "{from: shop/a, to: shop/c, port: 1, protocol: UDP, http: {}, verdict: denied}":
        ".http: is asked over TCP, not UDP; remove it, or the protocol",
    "{from: shop/a, to: shop/c, port: 1, protocol: UDP, kafka: {api: metadata}, verdict: denied}":
        ".kafka: is asked over TCP, not UDP; remove it, or the protocol",
    "{from: shop/a, to: shop/c, port: 1, verdict: forwarded, status: 200}":
        ".status: only an answer to a request of HTTP has one; write http, and forwarded or rejected",
    "{from: shop/a, to: shop/c, port: 1, http: {}, verdict: denied, status: 403}":
        ".status: only an answer to a request of HTTP has one; write http, and forwarded or rejected",
    "{from: shop/a, to: shop/c, port: 1, http: {}, verdict: rejected, status: 100}":
        ".status: want at least 200, found the number 100",
    "{from: shop/a, to: shop/c, port: 1, http: {}, opened: asked, verdict: denied}":
        ".opened: such a connection carries a request of its own; remove it, or the request",
}  # fmt: skip


@pytest.mark.parametrize(("flow", "message"), FLOWS.items(), ids=FLOWS.values())
def test_a_flow_that_cannot_be_is_refused(file: Path, flow: str, message: str) -> None:
    assert refusal(file, f"expect: {{flows: [{flow}]}}\n") == [f"4: flows[0]{message}"]
    assert refusal(file, f"steps: [{{expect: {{flows: [{flow}]}}}}]\n") == [f"4: steps[0].expect.flows[0]{message}"]


CASES = {
    "": "1: expect: missing; write it, or steps",
    "expect: {}\n": "4: expect: nothing is expected; write flows, packets, exchanges, requests",
    "steps: []\n": "4: steps: empty; write at least one",
    "steps: [{expect: {}}]\n": "4: steps[0].expect: nothing is expected; write flows, packets, exchanges, requests",
    "apply: [p.yaml]\nsteps: [{expect: {otherwise: denied}}]\n":
        "5: steps: beside apply or expect; write those inside the steps",
    "steps: [{apply: [q.yaml], expect: {otherwise: denied}}]\n":
        '4: steps[0].apply[0]: no "q.yaml" beside this file; check the path',
    "expect: {flows: [{from: shop/a, to: shop/c, port: 1, opened: earlier, verdict: denied}]}\n":
        "4: expect: what was opened earlier is about the step before, and there is none",
    "steps: [{expect: {flows: [{from: shop/a, to: shop/c, port: 1, opened: earlier, verdict: denied}]}}]\n":
        "4: steps: what was opened earlier is about the step before, and there is none",
    "expect: {otherwise: denied}\nloads: {}\n": '5: unknown field "loads"',
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), CASES.items(), ids=CASES.values())
def test_a_case_that_does_not_fit_is_refused(file: Path, text: str, message: str) -> None:
    (found,) = refusal(file, text)
    assert found.startswith(message)


def test_a_policy_of_a_namespace_that_is_not_there_is_refused_but_not_one_of_the_whole_cluster(file: Path) -> None:
    policy = file.with_name("p.yaml")
    policy.write_text(POLICY.replace("namespace: shop", "namespace: shpo"))
    (message,) = refusal(file, STEPS)
    assert message.startswith(f'{policy}:2: metadata.namespace: no namespace "shpo" in topology topology')
    policy.write_text(POLICY.replace(", namespace: shop", "").replace("CiliumN", "CiliumClusterwideN"))
    assert load(file, STEPS).steps[1].policies[0].namespace is None


def test_one_case_named_twice_and_a_folder_without_cases_are_refused(file: Path, tmp_path: Path) -> None:
    load(file, STEPS)
    (tmp_path / "none").mkdir()
    with pytest.raises(ManifestError) as refused:
        load_cases([tmp_path, file, tmp_path / "none"])
    assert str(refused.value).splitlines() == [
        f"{tmp_path}/none:1: no case (AREA/CASE/scenario.yaml) in this folder; name another",
        f"{file}:1: case policy/first is {file} already; name it once or rename one",
    ]


def test_the_shipped_cases_load() -> None:
    assert {file.parent.name for file in (SCENARIOS / "conformance").rglob("scenario.yaml")} == {
        case.name for case in load_cases()
    }
