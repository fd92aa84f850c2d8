"""``meshproof explain`` as a program sees it: standard output, standard error and the exit status."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner, Result

from harness.cli.main import app
from harness.report.explanation import AnswerRow, schema_text

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "explain.schema.json"

POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: catalogue, namespace: shop}
spec:
  podSelector: {matchLabels: {app: catalogue}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: checkout}}}]
      ports: [{port: http}]
"""
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
TOPOLOGY = """\
namespaces: {shop: {labels: {team: web}}}
pods:
  - {name: checkout, namespace: shop, labels: {app: checkout}, ips: [10.0.0.4, "fd00::4"]}
  - name: catalogue
    namespace: shop
    labels: {app: catalogue}
    ips: [10.0.0.5, "fd00::5"]
    ports: [{name: http, port: 8080, protocol: TCP}]
"""
FLOWS = """\
- {from: shop/checkout, to: shop/catalogue, port: 8080, protocol: TCP}
- {from: {ip: 192.0.2.7}, to: shop/catalogue, port: 53, protocol: UDP}
"""
Explain = Callable[..., Result]


@pytest.fixture
def explain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explain:
    """Runs the command over the files above; ``files`` replaces or adds some."""
    monkeypatch.chdir(tmp_path)

    def run(*options: str, manifests: tuple[str, ...] = ("policy.yaml",), **files: str) -> Result:
        given = {"policy": POLICY, "topology": TOPOLOGY, "flows": FLOWS} | files
        for name, text in given.items():
            Path(f"{name}.yaml").write_text(text)
        arguments = ["explain", "--manifests", *manifests, "--topology", "topology.yaml", "--flows", "flows.yaml", *options]
        return CliRunner().invoke(app, arguments, standalone_mode=False)

    return run


def test_json_gives_an_answer_for_each_flow_in_order(explain: Explain) -> None:
    result = explain("--json")
    assert not result.return_value
    assert json.loads(result.stdout) == [
        {
            "verdict": "forwarded",
            "egress": {"verdict": "forwarded", "rule": None, "reason": "no policy isolates"},
            "ingress": {"verdict": "forwarded", "rule": "policy.yaml:7", "reason": "allowed by rule"},
        },
        {
            "verdict": "dropped",
            "egress": {"verdict": "forwarded", "rule": None, "reason": "not a pod: no policy applies"},
            "ingress": {"verdict": "dropped", "rule": "policy.yaml:2", "reason": "isolated, and no rule allows"},
        },
    ]


def test_json_is_as_its_schema_says(explain: Explain) -> None:
    assert len(TypeAdapter(list[AnswerRow]).validate_json(explain("--json").stdout, strict=True)) == 2
    again = "python -c 'from harness.report.explanation import schema_text; print(schema_text(), end=\"\")'"
    assert SCHEMA.read_text() == schema_text(), f"write it anew: {again}"


def test_people_get_each_flow_with_what_both_ends_say(explain: Explain) -> None:
    lines = explain().stdout.splitlines()
    assert lines[0].startswith("shop/checkout -> shop/catalogue:8080/TCP (IPv4)")
    assert lines[0].endswith("FORWARDED")
    assert lines[2] == "  ingress  forwarded: allowed by rule (policy.yaml:7)"


def test_flows_may_be_json(explain: Explain) -> None:
    flows = json.dumps([{"from": "shop/catalogue", "to": {"ip": "2001:db8::1"}, "port": 443, "protocol": "TCP", "family": 6}])
    assert [each["verdict"] for each in json.loads(explain("--json", flows=flows).stdout)] == ["forwarded"]


def test_no_flows_give_no_answers(explain: Explain) -> None:
    assert json.loads(explain("--json", flows="[]").stdout) == []


def test_several_paths_may_follow_one_option(explain: Explain) -> None:
    other = POLICY.replace("name: catalogue", "name: closed").replace("app: catalogue", "app: checkout")
    result = explain("--json", manifests=("policy.yaml", "other.yaml"), other=other)
    assert [each["verdict"] for each in json.loads(result.stdout)] == ["forwarded", "dropped"]
    assert not result.stderr


def test_kinds_that_are_not_judged_are_counted_on_standard_error(explain: Explain) -> None:
    result = explain("--json", policy=f"{POLICY}---\n{DEPLOYMENT}")
    assert not result.return_value
    assert result.stderr == "not judged: 1 Deployment\n"
    assert len(json.loads(result.stdout)) == 2


def test_strict_refuses_them_by_their_line(explain: Explain) -> None:
    result = explain("--json", "--strict", policy=f"{POLICY}---\n{DEPLOYMENT}")
    assert (result.return_value, result.stdout) == (2, "")
    assert result.stderr == "policy.yaml:11: kind: Deployment carries no policy and is not judged; leave it out\n"


REQUESTS = """\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: requests, namespace: shop}
spec:
  endpointSelector: {}
  ingress:
    - fromEndpoints: [{}]
      toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{method: GET}]}}]
    - toPorts: [{ports: [{port: "53", protocol: UDP}]}]
"""


def test_of_a_connection_alone_it_is_said_that_a_request_may_fare_worse(explain: Explain) -> None:
    result = explain("--json", "--strict", policy=REQUESTS)
    assert (result.return_value, result.stderr) == (0, "")
    first, second = json.loads(result.stdout)
    assert first["ingress"]["reason"] == "allowed by rule; its rules about requests are judged for a request"
    assert (first["ingress"]["rule"], second["ingress"]["reason"]) == ("policy.yaml:7", "allowed by rule")


def test_requests_are_judged_by_the_rules_about_them(explain: Explain) -> None:
    ends = "from: shop/checkout, to: shop/catalogue, port: 8080"
    flows = f"- {{{ends}, http: {{}}}}\n- {{{ends}, http: {{method: POST}}}}\n- {{{ends}, grpc: {{method: a.B/C}}}}\n"
    result = explain("--json", policy=REQUESTS, flows=flows)
    answers = json.loads(result.stdout)
    assert [answer["verdict"] for answer in answers] == ["forwarded", "rejected", "rejected"]
    assert [answer["ingress"]["rule"] for answer in answers] == ["policy.yaml:8"] * 3
    assert TypeAdapter(list[AnswerRow]).validate_json(result.stdout)


def test_faults_of_all_files_are_named_at_once_and_nothing_is_answered(explain: Explain) -> None:
    result = explain("--json", policy=POLICY.replace("ports:", "prots:"), flows=FLOWS.replace("shop/checkout", "shop/nobody"))
    assert (result.return_value, result.stdout) == (2, "")
    places = [line.split(": ")[0] for line in result.stderr.splitlines()]
    assert places == ["flows.yaml:1", "policy.yaml:8"]


@pytest.mark.parametrize("name", ["policy", "topology", "flows"])
def test_a_truncated_file_is_refused_by_its_line(explain: Explain, name: str) -> None:
    result = explain("--json", **{name: "- {from: [\n"})
    assert (result.return_value, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{name}.yaml:")


@pytest.mark.parametrize("character", ["\\L", "\\P", "\\N", "\\x9b", "\\x0b", "\\n"])
def test_a_fault_is_one_line_whatever_a_name_holds(explain: Explain, character: str) -> None:
    result = explain("--json", flows=f'- {{from: "shop/a{character}b", to: shop/catalogue, port: 80}}\n')
    assert (result.return_value, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.removesuffix("\n").isprintable()


def test_a_missing_file_is_bad_input(explain: Explain) -> None:
    result = explain("--json", manifests=("nowhere.yaml",))
    assert (result.return_value, result.stdout) == (2, "")
    assert result.stderr.startswith("nowhere.yaml:1: ")
