"""Lists of requests whose routing is asked."""

from pathlib import Path

import pytest

from harness.manifests.calls import load_calls
from harness.manifests.errors import ManifestError
from harness.model.origin import Origin
from harness.model.request import GRPCRequest, HTTPRequest
from harness.model.route import Gateway, Listener
from harness.model.routing import Call, Routing
from harness.model.service import Service, ServicePort
from harness.model.topology import Namespace, Pod, Topology

HERE = Origin("m.yaml", 1)
TOPOLOGY = Topology("t", ("n1",), (Namespace("shop"),), (Pod("client", "shop", "n1", ips=("10.0.0.1",)),))
ROUTING = Routing(
    services=(
        Service(HERE, "web", "shop", (ServicePort(HERE, 80, "a"), ServicePort(HERE, 53, "b", protocol="UDP"))),
        Service(HERE, "else", "shop", type="ExternalName", external_name="a.b"),
    ),
    gateways=(Gateway(HERE, "edge", "infra", "c", (Listener(HERE, "l", 8080, "HTTP"),)),),
)


def load(folder: Path, text: str) -> list[Call]:
    (folder / "requests").write_text(text)
    return load_calls(folder / "requests", TOPOLOGY, ROUTING)


def refusal(folder: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as refused:
        load(folder, text)
    return [str(fault).removeprefix(f"{folder / 'requests'}:") for fault in refused.value.faults]


def test_requests_keep_their_order_and_say_all_that_is_asked(tmp_path: Path) -> None:
    assert load(
        tmp_path,
        """\
- {from: shop/client, to: shop/web, port: 80, http: {}}
- from: {ip: 192.0.2.7}
  to: {gateway: infra/edge}
  port: 8080
  http: {method: PUT, path: "/a?b=c", host: "shop.example.com:8080", headers: {X-A: one, accept: [a, b]}}
- {from: {ip: 10.0.0.1}, to: shop/web, port: 80, grpc: {method: shop.Cart/Add, headers: {version: two}}}
""",
    ) == [
        Call("shop/client", "shop/web", 80, HTTPRequest()),
        Call(
            "192.0.2.7",
            "infra/edge",
            8080,
            HTTPRequest("PUT", "/a?b=c", "shop.example.com:8080", (("X-A", "one"), ("accept", "a"), ("accept", "b"))),
            to_gateway=True,
        ),
        Call("shop/client", "shop/web", 80, GRPCRequest("shop.Cart/Add", None, (("version", "two"),))),
    ]


def test_json_is_read_as_yaml_is(tmp_path: Path) -> None:
    assert load(tmp_path, '[\n\t{"from": "shop/client", "to": "shop/web", "port": 80, "http": {"path": "/x"}}]') == [
        Call("shop/client", "shop/web", 80, HTTPRequest(path="/x"))
    ]


def test_no_requests_are_no_answers(tmp_path: Path) -> None:
    assert load(tmp_path, "[]\n") == []


ENDS = "from: shop/client, to: shop/web, port: 80"
REFUSED = {
    "{}": "1: want a list of requests, found a mapping",
    "": "1: the file is empty; write a list of requests in it",
    f"- {{{ENDS}}}": "1: [0].http: missing; write what is asked, {} for GET /",
    f"- {{{ENDS}, http: {{}}, grpc: {{method: a.B/C}}}}": "1: [0].grpc: http beside it; write one of them",
    f"- {{{ENDS}, kafka: {{}}}}": "1: [0].kafka: not supported: routes are of HTTP and gRPC; remove it",
    f"- {{{ENDS}, http: {{method: G T}}}}": '1: [0].http.method: want a method such as GET, found "G T"',
    f"- {{{ENDS}, http: {{path: x}}}}": '1: [0].http.path: want a path that begins with /, found "x"',
    f"- {{{ENDS}, http: {{path: '/a b'}}}}":
        '1: [0].http.path: want a path of visible ASCII characters without #, found "/a b"',
    f"- {{{ENDS}, http: {{host: 'a/b'}}}}":
        '1: [0].http.host: want a host such as shop.example.com or shop:8080, found "a/b"',
    f"- {{{ENDS}, http: {{headers: {{Host: a}}}}}}":
        "1: [0].http.headers.Host: not a header here; write it as host, beside headers",
    f"- {{{ENDS}, http: {{headers: {{a: 1}}}}}}":
        "1: [0].http.headers.a: want a string or a list of strings, found the number 1; quote it",
    f"- {{{ENDS}, http: {{headers: {{a: [b, 1]}}}}}}":
        "1: [0].http.headers.a: want a string or a list of strings, found the number 1; quote it",
    f'- {{{ENDS}, http: {{headers: {{a: "b\\n"}}}}}}':
        '1: [0].http.headers.a: want a value without control characters, or spaces at its ends, found "b\\n"',
    f"- {{{ENDS}, http: {{header: {{}}}}}}": '1: [0].http: unknown field "header" (did you mean "headers"?)',
    f"- {{{ENDS}, grpc: {{method: Add}}}}": '1: [0].grpc.method: want package.Service/Method, found "Add"',
    "- {from: client, to: shop/web, port: 80, http: {}}":
        '1: [0].from: want namespace/pod or {ip: ADDRESS}, found the string "client"',
    "- {from: shop/clent, to: shop/web, port: 80, http: {}}":
        '1: [0].from: no pod "shop/clent" (did you mean "shop/client"?)',
    "- {from: shop/client, to: {service: shop/web}, port: 80, http: {}}":
        "1: [0].to: want namespace/service or {gateway: NAMESPACE/NAME}, found a mapping",
    "-\n  from: shop/client\n  to: shop/wbe\n  port: 80\n  http: {}":
        '3: [0].to: no Service "shop/wbe" in the manifests (did you mean "shop/web"?)',
    "- {from: shop/client, to: shop/else, port: 80, http: {}}":
        '1: [0].to: no Service "shop/else" in the manifests (did you mean "shop/web"?)',
    "- {from: shop/client, to: {gateway: infra/edg}, port: 8080, http: {host: a}}":
        '1: [0].to: no Gateway "infra/edg" in the manifests (did you mean "infra/edge"?)',
    "- {from: shop/client, to: shop/web, port: 53, http: {}}":
        '1: [0].port: Service "shop/web" has no TCP port 53; its ports are 80',
    "- {from: shop/client, to: {gateway: infra/edge}, port: 80, http: {host: a}}":
        '1: [0].port: Gateway "infra/edge" has no listener at port 80; its ports are 8080',
    "- {from: shop/client, to: {gateway: infra/edge}, port: 8080, http: {}}":
        "1: [0].http.host: missing; a Gateway has no name that clients use: write the host that is asked for",
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=REFUSED.values())
def test_what_is_no_list_of_requests_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (found,) = refusal(tmp_path, text)
    if "shop/else" not in text:
        assert found == message
    else:
        assert found.startswith('1: [0].to: no Service "shop/else" in the manifests')


def test_of_many_unknown_pods_the_first_get_a_near_name(tmp_path: Path) -> None:
    faults = refusal(tmp_path, "- {from: shop/clien, to: shop/web, port: 80, http: {}}\n" * 150)
    assert faults[0].endswith('(did you mean "shop/client"?)')
    assert faults[-1] == '150: [149].from: no pod "shop/clien"'
