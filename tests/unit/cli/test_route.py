"""``meshproof route`` as a program sees it: standard output, standard error and the exit status."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner, Result

from harness.cli.main import app
from harness.report.routing import BackendRow, StatusRow, schema_text

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "route.schema.json"

SHOP = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: beta, namespace: shop}
spec: {selector: {app: beta}, ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web}, {name: edge}]
  rules:
    - matches: [{path: {value: /old}}]
      filters:
        - type: RequestRedirect
          requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}, statusCode: 301}
    - matches: [{path: {value: /cart}}]
      filters:
        - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Shop, value: one}]}}
        - type: ResponseHeaderModifier
          responseHeaderModifier: {set: [{name: A, value: b}], add: [{name: C, value: d}], remove: [E]}
        - {type: RequestMirror, requestMirror: {backendRef: {name: beta, port: 80}, percent: 5}}
        - {type: URLRewrite, urlRewrite: {hostname: cart.shop, path: {type: ReplacePrefixMatch, replacePrefixMatch: /c}}}
      backendRefs: [{name: web, port: 80, weight: 90}, {name: gone, port: 80, weight: 10}]
      timeouts: {request: 10s}
      retry: {codes: [503], attempts: 2}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {gatewayClassName: mesh, listeners: [{name: http, port: 8080, protocol: HTTP}]}
"""
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {}}
"""
TOPOLOGY = """\
namespaces: {shop: {}}
pods:
  - {name: client, namespace: shop, labels: {app: client}, ips: [10.0.0.4]}
  - {name: web-0, namespace: shop, labels: {app: web}, ips: [10.0.0.5]}
  - {name: beta-0, namespace: shop, labels: {app: beta}, ips: [10.0.0.6]}
"""
REQUESTS = """\
- {from: shop/client, to: shop/web, port: 80, http: {path: "/cart/1?a=b", headers: {X-User: a, x-shop: none}}}
- {from: {ip: 192.0.2.7}, to: {gateway: shop/edge}, port: 8080, http: {host: shop.example.com, path: /old/x}}
- {from: shop/client, to: shop/beta, port: 80, grpc: {method: shop.Cart/Add}}
"""
Route = Callable[..., Result]


@pytest.fixture
def route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Route:
    """Runs the command over the files above; ``files`` replaces or adds some."""
    monkeypatch.chdir(tmp_path)

    def run(*options: str, manifests: tuple[str, ...] = ("shop.yaml",), **files: str) -> Result:
        given = {"shop": SHOP, "topology": TOPOLOGY, "requests": REQUESTS} | files
        for name, text in given.items():
            Path(f"{name}.yaml").write_text(text)
        arguments = ["route", "--manifests", *manifests, "--topology", "topology.yaml", "--requests", "requests.yaml", *options]
        return CliRunner().invoke(app, arguments, standalone_mode=False)

    return run


def test_json_gives_the_possible_answers_to_each_request_in_order(route: Route) -> None:
    result = route("--json")
    assert not result.return_value
    assert not result.stderr
    assert json.loads(result.stdout) == [
        [
            {
                "backend": "shop/web",
                "weight": 90,
                "path": "/c/1?a=b",
                "headers": {"X-User": "a", "x-shop": "one"},
                "host": "cart.shop",
                "port": 80,
                "rule": "shop.yaml:21",
                "response_headers": [{"set": {"A": "b"}, "add": {"C": "d"}, "remove": ["E"]}],
                "mirror": [{"backend": "shop/beta", "port": 80, "numerator": 5, "denominator": 100}],
                "timeout": {"request": "10s", "backend_request": None},
                "retry": {"codes": [503], "attempts": 2, "backoff": None},
            },
            {"status": 500, "weight": 10, "headers": {}, "rule": "shop.yaml:21", "reason": "no Service shop/gone"},
        ],
        [
            {
                "status": 301,
                "weight": 1,
                "headers": {"Location": "http://shop.example.com:8080/new/x"},
                "rule": "shop.yaml:17",
                "reason": "redirected",
            }
        ],
        [
            {
                "backend": "shop/beta",
                "weight": 1,
                "path": "/shop.Cart/Add",
                "headers": {"content-type": "application/grpc"},
                "host": "beta.shop.svc.cluster.local",
                "port": 80,
                "rule": None,
                "response_headers": [],
                "mirror": [],
                "timeout": None,
                "retry": None,
            }
        ],
    ]


def test_json_is_as_its_schema_says(route: Route) -> None:
    rows = TypeAdapter(list[list[BackendRow | StatusRow]])
    assert len(rows.validate_json(route("--json").stdout, strict=True)) == 3
    again = "python -c 'from harness.report.routing import schema_text; print(schema_text(), end=\"\")'"
    assert SCHEMA.read_text() == schema_text(), f"write it anew: {again}"


def test_people_get_each_request_with_all_that_may_become_of_it(route: Route) -> None:
    assert route().stdout.splitlines() == [
        "shop/client -> shop/web:80 GET /cart/1?a=b",
        "     90 %  shop/web:80  /c/1?a=b  (shop.yaml:21)",
        "           X-User: a",
        "           x-shop: one",
        "           Host: cart.shop",
        "           response sets A: b",
        "           response adds C: d",
        "           response loses E",
        "           copy to shop/beta:80 of 5 in 100",
        "           timeouts: request 10s",
        "           retry: codes 503, attempts 2",
        "     10 %  500: no Service shop/gone  (shop.yaml:21)",
        "192.0.2.7 -> gateway shop/edge:8080 GET /old/x",
        "    100 %  301: redirected  (shop.yaml:17)",
        "           Location: http://shop.example.com:8080/new/x",
        "shop/client -> shop/beta:80 gRPC shop.Cart/Add",
        "    100 %  shop/beta:80  /shop.Cart/Add",
        "           content-type: application/grpc",
    ]


def test_requests_may_be_json(route: Route) -> None:
    requests = json.dumps([{"from": "shop/client", "to": "shop/web", "port": 80, "http": {"path": "/other"}}])
    assert json.loads(route("--json", requests=requests).stdout) == [
        [{"status": 404, "weight": 1, "headers": {}, "rule": None, "reason": "no rule of a route matches"}]
    ]


def test_the_topology_may_be_what_kubectl_printed(route: Route) -> None:
    listed = [
        {"kind": "Namespace", "metadata": {"name": "shop"}},
        {"kind": "Pod", "metadata": {"name": "client", "namespace": "shop"}, "spec": {}, "status": {"podIP": "10.0.0.4"}},
        {
            "kind": "Pod",
            "metadata": {"name": "beta-0", "namespace": "shop", "labels": {"app": "beta"}},
            "spec": {},
            "status": {"podIP": "10.0.0.5"},
        },
    ]
    topology = json.dumps({"apiVersion": "v1", "kind": "List", "items": listed})
    requests = "- {from: shop/client, to: shop/beta, port: 80, http: {}}\n"
    ((answer,),) = json.loads(route("--json", topology=topology, requests=requests).stdout)
    assert answer["backend"] == "shop/beta"


def test_no_requests_give_no_answers(route: Route) -> None:
    assert json.loads(route("--json", requests="[]").stdout) == []


def test_policies_beside_routes_are_read_and_what_carries_neither_is_counted(route: Route) -> None:
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    result = route("--json", manifests=("shop.yaml", "more.yaml"), more=f"{POLICY}---\n{config}")
    assert not result.return_value
    assert result.stderr == "not judged: 1 ConfigMap\n"
    assert len(json.loads(result.stdout)) == 3
    strict = route("--json", "--strict", manifests=("shop.yaml", "more.yaml"), more=config)
    assert (strict.return_value, strict.stdout) == (2, "")


def test_explain_goes_on_with_a_folder_that_holds_routes(route: Route, tmp_path: Path) -> None:
    route("--json", more=POLICY + TRAFFIC)
    (tmp_path / "flows").write_text("- {from: shop/client, to: shop/web-0, port: 80}\n")
    arguments = [
        "explain",
        "--manifests",
        "shop.yaml",
        "more.yaml",
        "--topology",
        "topology.yaml",
        "--flows",
        "flows",
        "--json",
    ]
    result = CliRunner().invoke(app, arguments, standalone_mode=False)
    assert not result.return_value
    assert [each["verdict"] for each in json.loads(result.stdout)] == ["dropped"]
    assert result.stderr == "not judged: 2 Service\n"


def test_faults_of_manifests_and_topology_are_named_at_once_and_nothing_is_answered(route: Route) -> None:
    result = route("--json", shop=SHOP.replace("/old", "old"), topology=TOPOLOGY.replace("pods:", "pds:"))
    assert (result.return_value, result.stdout) == (2, "")
    places = [line.split(": ")[0] for line in result.stderr.splitlines()]
    assert places == ["shop.yaml:17", "topology.yaml:1", "topology.yaml:2"]


def test_an_invalid_expression_is_refused_by_its_line(route: Route) -> None:
    result = route("--json", shop=SHOP.replace("value: /old", "type: RegularExpression, value: '/[a-'"))
    assert (result.return_value, result.stdout) == (2, "")
    assert result.stderr.splitlines()[0].startswith(
        'shop.yaml:17: spec.rules[0].matches[0].path.value: RE2 does not take "/[a-"'
    )


def test_requests_to_nobody_are_refused_by_their_lines(route: Route) -> None:
    result = route("--json", requests=REQUESTS.replace("to: shop/web", "to: shop/wbe").replace("to: shop/beta", "to: shop/bta"))
    assert (result.return_value, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        'requests.yaml:1: [0].to: no Service "shop/wbe" in the manifests (did you mean "shop/web"?)',
        'requests.yaml:3: [2].to: no Service "shop/bta" in the manifests (did you mean "shop/beta"?)',
    ]


@pytest.mark.parametrize("name", ["shop", "topology", "requests"])
def test_a_truncated_file_is_refused_by_its_line(route: Route, name: str) -> None:
    result = route("--json", **{name: "- {from: [\n"})
    assert (result.return_value, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{name}.yaml:")


@pytest.mark.parametrize("character", ["\\L", "\\N", "\\x9b", "\\n"])
def test_a_fault_is_one_line_whatever_a_name_holds(route: Route, character: str) -> None:
    result = route("--json", requests=f'- {{from: shop/client, to: "shop/a{character}b", port: 80, http: {{}}}}\n')
    assert (result.return_value, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.removesuffix("\n").isprintable()


def test_what_a_terminal_would_obey_is_not_printed_as_it_is(route: Route) -> None:
    requests = '- {from: shop/client, to: shop/beta, port: 80, http: {headers: {a: "b\\Lc", d: "\\x9be"}}}\n'
    result = route(requests=requests)
    assert not result.return_value
    assert all(line.isprintable() for line in result.stdout.split("\n"))
    assert len(result.stdout.splitlines()) == 4


def test_a_missing_file_is_bad_input(route: Route) -> None:
    result = route("--json", manifests=("nowhere.yaml",))
    assert (result.return_value, result.stdout) == (2, "")
    assert result.stderr.startswith("nowhere.yaml:1: ")


TRAFFIC = """\
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: web, namespace: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: beta}]
  retry: {numRetries: 1}
"""


def test_a_request_under_a_traffic_policy_says_so(route: Route) -> None:
    answers = json.loads(route("--json", shop=SHOP + TRAFFIC).stdout)
    line = (SHOP + TRAFFIC).splitlines().index("kind: BackendTrafficPolicy") + 1
    assert [each.get("traffic") for several in answers for each in several] == [None, None, None, f"shop.yaml:{line}"]
    assert f"under BackendTrafficPolicy shop/web (shop.yaml:{line})" in route(shop=SHOP + TRAFFIC).stdout
