"""Rules about requests of HTTP and Kafka: answers known from the documentation of Cilium."""

from pathlib import Path

import pytest
from documented import head
from hypothesis import given
from hypothesis import strategies as st

from harness.manifests.objects import load_policies
from harness.model.flow import Flow, Verdict
from harness.model.request import GRPCRequest, HTTPRequest, KafkaRequest, Request
from harness.model.topology import Namespace, Pod, Topology
from harness.model.verdict import Answer
from harness.oracle.direct import answer
from harness.oracle.direct.paths import normal

TOPOLOGY = Topology(
    "t",
    ("n1",),
    (Namespace("default"),),
    (Pod("client", "default", "n1", {"app": "client"}), Pod("api", "default", "n1", {"app": "api"})),
)
ON_80 = '{ports: [{port: "80", protocol: TCP}], rules: {http: [%s]}}'
ON_KAFKA = '{ports: [{port: "80", protocol: TCP}], rules: {kafka: [%s]}}'
PLAIN = '{ports: [{port: "80", protocol: TCP}]}'
FORWARDED, DROPPED, REJECTED = Verdict.FORWARDED, Verdict.DROPPED, Verdict.REJECTED


def spec(*ingress: str, more: str = "") -> str:
    return f"{{endpointSelector: {{matchLabels: {{app: api}}}}, ingress: [{', '.join(ingress)}]{more}}}"


def rule(*ports: str, peers: str = "fromEndpoints: [{}]") -> str:
    return f"{{{peers}, toPorts: [{', '.join(ports)}]}}"


def judge(folder: Path, text: str, request: Request | None, flow: str = "default/client") -> Answer:
    (folder / "policy.yaml").write_text(f"{head('CiliumNetworkPolicy')}spec: {text}\n")
    policies = load_policies([folder / "policy.yaml"]).policies
    return answer(Flow(flow, "default/api", 80, request=request), policies, TOPOLOGY)


def get(path: str, **headers: str) -> HTTPRequest:
    return HTTPRequest(path=path, headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()))


@pytest.mark.parametrize(
    ("http", "request_", "verdict"),
    [
        ("{}", get("/any"), FORWARDED),
        ("{method: GET}", get("/any"), FORWARDED),
        ("{method: GET}", HTTPRequest("POST", "/any"), REJECTED),
        ("{method: GET}", HTTPRequest("get", "/any"), REJECTED),
        ("{method: GET|HEAD}", HTTPRequest("HEAD", "/any"), FORWARDED),
        # An expression matches the whole path, and the query is a part of it.
        ("{path: /public}", get("/public"), FORWARDED),
        ("{path: /public}", get("/publicity"), REJECTED),
        ("{path: /public}", get("/very/public"), REJECTED),
        ("{path: /public}", get("/public?x=1"), REJECTED),
        ('{path: "/public.*"}', get("/public?x=1"), FORWARDED),
        ('{path: "/a|/b"}', get("/b"), FORWARDED),
        ('{path: ""}', get("/any"), FORWARDED),
        # It sees the path in its normal form.
        ("{path: /admin}", get("//admin"), FORWARDED),
        ("{path: /admin}", get("/%61dmin"), FORWARDED),
        ("{path: /admin}", get("/x/%2e%2E/admin"), FORWARDED),
        ('{path: "/public/.*"}', get("/public/../admin"), REJECTED),
        ('{path: ".*"}', get("/public%2fadmin"), REJECTED),
        ("{path: /b}", get("/a/..;/b"), FORWARDED),
        ("{path: /b}", get("/a/..;x=y/b"), FORWARDED),
        ('{path: "/a/.*"}', get("/a/..;/b"), REJECTED),
        # An Envoy leaves this one as /a/..;/b, which a server may take for /b: no rule about paths takes it.
        ('{path: "/.*"}', get("/a/%2e%2e;/b"), REJECTED),
        ("{}", get("/a/%2e%2e;/b"), FORWARDED),
        # Dot segments are resolved before slashes are merged.
        ("{path: /a/b}", get("/a//..//b"), FORWARDED),
        ("{path: /b}", get("/a//..//b"), REJECTED),
        ("{path: /a%20b}", get("/a%20b"), FORWARDED),
        # The host is what Host says; the pod's own name where nothing is said.
        ('{host: "api[.]default"}', get("/"), FORWARDED),
        ('{host: "shop[.]example"}', HTTPRequest(host="shop.example"), FORWARDED),
        ('{host: "shop[.]example"}', HTTPRequest(host="shop.example:80"), REJECTED),
        ('{host: "shop[.]example"}', get("/", Host_="shop.example"), REJECTED),
        # Headers: names in any case, values exactly; several of one name are one value.
        ('{headers: ["X-Team: web"]}', get("/", x_team="web"), FORWARDED),
        ('{headers: ["X-Team: web"]}', get("/", x_team="webs"), REJECTED),
        ('{headers: ["X-Team: web"]}', get("/"), REJECTED),
        ('{headers: ["X-Team: a b"]}', get("/", X_Team="a b"), FORWARDED),
        ("{headers: [X-Team]}", get("/", x_team=""), FORWARDED),
        ("{headers: [X-Team]}", get("/"), REJECTED),
        ('{headers: ["X: a", "Y: b"]}', get("/", X="a"), REJECTED),
        ('{headers: ["X: a"]}', HTTPRequest(headers=(("X", "a"), ("x", "b"))), REJECTED),
        ('{headers: ["X: a,b"]}', HTTPRequest(headers=(("X", "a"), ("x", "b"))), FORWARDED),
        ("{headerMatches: [{name: X, value: a}]}", get("/", X="a"), FORWARDED),
        ("{headerMatches: [{name: X, value: a}]}", get("/", X="b"), REJECTED),
        ("{headerMatches: [{name: X}]}", get("/", X="b"), FORWARDED),
        ("{headerMatches: [{name: X}]}", get("/"), REJECTED),
        ("{headerMatches: [{name: X, value: a, mismatch: REPLACE}]}", get("/", X="b"), FORWARDED),
        ("{headerMatches: [{name: X, value: a, mismatch: LOG}]}", get("/"), FORWARDED),
        # All that one rule says must hold, of one rule at least.
        ("{method: GET, path: /a}", get("/b"), REJECTED),
        ("{path: /a}, {path: /b}", get("/b"), FORWARDED),
        # A call of gRPC is a POST to its method's path.
        ("{method: POST, path: /shop.Cart/Add}", GRPCRequest("shop.Cart/Add"), FORWARDED),
        ("{method: POST, path: /shop.Cart/Add}", GRPCRequest("shop.Cart/Drop"), REJECTED),
        ("{headers: ['content-type: application/grpc']}", GRPCRequest("shop.Cart/Drop"), FORWARDED),
        ("{}", KafkaRequest("produce"), REJECTED),
    ],
)  # fmt: skip
def test_a_rule_about_http(tmp_path: Path, http: str, request_: Request, verdict: Verdict) -> None:
    given = judge(tmp_path, spec(rule(ON_80 % http)), request_)
    assert (given.verdict, given.ingress.verdict) == (verdict, verdict)


@pytest.mark.parametrize(
    ("kafka", "request_", "verdict"),
    [
        ("{}", KafkaRequest("produce", topics=("a",)), FORWARDED),
        ("{role: produce, topic: a}", KafkaRequest("produce", topics=("a",)), FORWARDED),
        ("{role: produce, topic: a}", KafkaRequest("produce", topics=("b",)), REJECTED),
        ("{role: produce, topic: a}", KafkaRequest("fetch", topics=("a",)), REJECTED),
        ("{role: consume, topic: a}", KafkaRequest("fetch", topics=("a",)), FORWARDED),
        ("{role: consume, topic: a}", KafkaRequest("heartbeat"), FORWARDED),
        ("{role: produce, topic: a}", KafkaRequest("apiversions"), FORWARDED),
        # All topics of a request are judged; rules may share them, and none asks for all.
        ("{topic: a}", KafkaRequest("produce", topics=("a", "b")), REJECTED),
        ("{topic: a}, {topic: b}", KafkaRequest("produce", topics=("b", "a")), FORWARDED),
        ("{topic: a}, {role: consume, topic: b}", KafkaRequest("produce", topics=("b", "a")), REJECTED),
        ("{topic: a}", KafkaRequest("metadata"), REJECTED),
        ("{role: produce}", KafkaRequest("metadata"), FORWARDED),
        # The API in any case, its version, the client.
        ("{apiKey: Produce}", KafkaRequest("produce"), FORWARDED),
        ("{apiKey: fetch}", KafkaRequest("produce"), REJECTED),
        ('{apiVersion: "3"}', KafkaRequest("produce", 3), FORWARDED),
        ('{apiVersion: "3"}', KafkaRequest("produce", 4), REJECTED),
        ("{clientID: me}", KafkaRequest("produce", client_id="me"), FORWARDED),
        ("{clientID: me}", KafkaRequest("produce"), REJECTED),
        ("{}", get("/"), REJECTED),
        # A version that nobody has published cannot be read. One that Kafka no longer has could be.
        ("{topic: a}", KafkaRequest("produce", 99, ("a",)), REJECTED),
        ("{}", KafkaRequest("apiversions", 99), REJECTED),
        ("{topic: a}", KafkaRequest("produce", 0, ("a",)), FORWARDED),
        ("{}", KafkaRequest("leaderandisr", 99), FORWARDED),
    ],
)
def test_a_rule_about_kafka(tmp_path: Path, kafka: str, request_: Request, verdict: Verdict) -> None:
    given = judge(tmp_path, spec(rule(ON_KAFKA % kafka)), request_)
    assert (given.verdict, given.ingress.verdict) == (verdict, verdict)


GET_A = ON_80 % "{path: /a}"


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        # One rule that does not look into requests lets all of them through, in the same rule or another.
        (spec(rule(GET_A), rule(PLAIN)), FORWARDED),
        (spec(rule(PLAIN), rule(GET_A)), FORWARDED),
        (spec(rule(GET_A, PLAIN)), FORWARDED),
        (spec(rule(GET_A), "{fromEndpoints: [{}]}"), FORWARDED),
        (spec(rule(ON_80 % "")), FORWARDED),
        (spec(rule(GET_A), rule(PLAIN, peers="fromEndpoints: [{matchLabels: {app: other}}]")), REJECTED),
        (spec(rule(GET_A), rule('{ports: [{port: "81", protocol: TCP}]}')), REJECTED),
        # Deny rules win; who is no peer is dropped, as ever.
        (spec(rule(PLAIN), more=", ingressDeny: [{fromEndpoints: [{}]}]"), DROPPED),
        (spec(rule(GET_A, peers="fromEndpoints: [{matchLabels: {app: other}}]")), DROPPED),
        # They narrow what they are about also where nothing isolates.
        (spec(rule(GET_A), more=", enableDefaultDeny: {ingress: false}"), REJECTED),
        (spec(rule(GET_A, peers="fromEndpoints: [{matchLabels: {app: other}}]"), more=", enableDefaultDeny: {ingress: false}"),
         FORWARDED),
    ],
)  # fmt: skip
def test_what_narrows_a_port(tmp_path: Path, rules: str, verdict: Verdict) -> None:
    assert judge(tmp_path, rules, get("/b")).verdict is verdict


def test_a_connection_alone_is_forwarded_where_some_requests_would_be(tmp_path: Path) -> None:
    assert judge(tmp_path, spec(rule(GET_A)), None).verdict is FORWARDED


def test_the_deciding_rule_is_the_one_about_the_request(tmp_path: Path) -> None:
    text = """
  endpointSelector: {}
  ingress:
    - toPorts:
        - ports: [{port: "80", protocol: TCP}]
          rules:
            http:
              - {path: /a}
              - {path: /b}
"""
    first = head("CiliumNetworkPolicy").count("\n") + 2
    said = [judge(tmp_path, text, get(path)).ingress for path in ("/a", "/b", "/c")]
    assert [(each.rule.line - first if each.rule else None, each.reason) for each in said] == [
        (6, "allowed by rule"),
        (7, "allowed by rule"),
        (4, "no rule about requests allows it"),
    ]


TARGETS = st.lists(st.sampled_from(["/", ".", "..", "a", "%2e", "%2E", "%61", "%C3", "\\", "?", "b", ";"]), max_size=12)


@given(TARGETS.map(lambda parts: "/" + "".join(parts)))
def test_a_normal_path_has_no_other_way_of_being_written(target: str) -> None:
    path, mark, query = normal(target).partition("?")
    assert path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/")[1:-1])
    assert path.rsplit("/", 1)[1] not in (".", "..")
    assert (mark + query) == "".join(target.partition("?")[1:])
    assert normal(path + mark + query) == path + mark + query


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/", "/"), ("/a/./b/", "/a/b/"), ("/a/b/..", "/a/"), ("/..", "/"), ("/a//b?c//d", "/a/b?c//d"), ("/a\\b", "/a/b")],
)
def test_a_path_in_its_normal_form(target: str, expected: str) -> None:
    assert normal(target) == expected


@pytest.mark.parametrize(
    ("client", "server", "sent", "verdict"),
    [
        ("{name: X-Team, value: web, mismatch: REPLACE}", "X-Team: web", ("evil", "shop"), FORWARDED),
        ("{name: X-Team, value: web, mismatch: REPLACE}", "X-Team: web", (), FORWARDED),
        ("{name: X-Team, value: web, mismatch: ADD}", "X-Team: shop,web", ("shop",), FORWARDED),
        ("{name: X-Team, value: web, mismatch: ADD}", "X-Team: web", ("web",), FORWARDED),
        ("{name: X-Team, value: web, mismatch: DELETE}", "X-Team", ("shop",), REJECTED),
        ("{name: x-team, value: web, mismatch: DELETE}", "X-Team: web", ("web",), FORWARDED),
        ("{name: X-Team, mismatch: DELETE}", "X-Team: web", ("web",), FORWARDED),
        ("{name: X-Team, value: web, mismatch: LOG}", "X-Team: web", ("shop",), REJECTED),
    ],
)
def test_the_servers_rules_see_what_the_clients_made_of_a_header(
    tmp_path: Path, client: str, server: str, sent: tuple[str, ...], verdict: Verdict
) -> None:
    leaving = ON_80 % f"{{path: /a, headerMatches: [{client}]}}"
    arriving = ON_80 % f'{{headers: ["{server}"]}}'
    text = head("CiliumNetworkPolicy")
    subjects = ("{matchLabels: {app: client}}", "{matchLabels: {app: api}}")
    both = (
        "specs:\n"
        f"  - {{endpointSelector: {subjects[0]}, egress: [{{toEndpoints: [{{}}], toPorts: [{leaving}]}}]}}\n"
        f"  - {{endpointSelector: {subjects[1]}, ingress: [{{fromEndpoints: [{{}}], toPorts: [{arriving}]}}]}}\n"
    )
    (tmp_path / "policy.yaml").write_text(text + both)
    request = HTTPRequest(path="/a", headers=tuple(("X-Team", value) for value in sent))
    policies = load_policies([tmp_path / "policy.yaml"]).policies
    assert answer(Flow("default/client", "default/api", 80, request=request), policies, TOPOLOGY).verdict is verdict
