"""Lists of flows to be explained."""

from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.flows import load_flows
from harness.model.flow import ICMP, Flow, Verdict
from harness.model.request import GRPCRequest, HTTPRequest, KafkaRequest
from harness.model.topology import Namespace, Pod, Topology
from harness.oracle.direct import answer

PODS = (Pod("a", "shop", "n1", ips=("10.0.0.1", "fd00::1")), Pod("b", "shop", "n1", ips=("10.0.0.2",)))
TOPOLOGY = Topology("t", ("n1",), (Namespace("shop"),), PODS)


def load(folder: Path, text: str) -> list[Flow]:
    (folder / "flows").write_text(text)
    return load_flows(folder / "flows", TOPOLOGY)


def refusal(folder: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as refused:
        load(folder, text)
    return [str(fault).removeprefix(f"{folder / 'flows'}:") for fault in refused.value.faults]


def test_flows_keep_their_order_and_are_ipv4_unless_said_otherwise(tmp_path: Path) -> None:
    assert load(
        tmp_path,
        """\
- {from: shop/b, to: shop/a, port: 8080, protocol: TCP}
- {from: shop/b, to: shop/a, port: 8080, protocol: TCP}
- {from: {ip: 192.0.2.7}, to: shop/a, port: 53, protocol: UDP}
- {from: shop/a, to: {ip: "2001:DB8:0::1"}, protocol: ICMP}
- {from: shop/a, to: shop/a, protocol: ICMP, icmp: {type: 13}}
""",
    ) == [
        Flow("shop/b", "shop/a", 8080),
        Flow("shop/b", "shop/a", 8080),
        Flow("192.0.2.7", "shop/a", 53, "UDP"),
        Flow("shop/a", "2001:db8::1", 0, "ICMP", 6, ICMP(128)),
        Flow("shop/a", "shop/a", 0, "ICMP", 4, ICMP(13)),
    ]


def test_a_message_of_icmp_says_the_protocol(tmp_path: Path) -> None:
    assert load(tmp_path, "[{from: shop/b, to: shop/a, icmp: {type: 8, code: 0}}]") == [
        Flow("shop/b", "shop/a", 0, "ICMP", 4, ICMP(8))
    ]
    assert refusal(tmp_path, "[{from: shop/b, to: shop/a, protocol: icmp}]") == [
        '1: [0].protocol: want TCP, UDP or ICMP, found "icmp"'
    ]


def test_json_is_read_as_yaml_is(tmp_path: Path) -> None:
    assert load(tmp_path, '[\n\t{"from": "shop/b", "to": {"ip": "10.9.9.9"}, "port": 1, "family": 4}]') == [
        Flow("shop/b", "10.9.9.9", 1)
    ]


def test_the_address_of_a_pod_stands_for_the_pod(tmp_path: Path) -> None:
    assert load(tmp_path, '[{from: {ip: "fd00:0:0::1"}, to: {ip: "fd00::2"}, port: 1}]') == [
        Flow("shop/a", "fd00::2", 1, family=6)
    ]


def test_an_address_of_one_family_written_as_another_or_of_a_zone_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, '[{from: {ip: "::ffff:10.0.0.1"}, to: shop/a, port: 1}]') == [
        '1: [0].from: IPv4 written as IPv6 in "::ffff:10.0.0.1"; write it as IPv4'
    ]
    assert refusal(tmp_path, '[{from: {ip: "fe80::1%eth0"}, to: shop/a, port: 1}]') == [
        '1: [0].from: a zone in "fe80::1%eth0"; write the address without it'
    ]


def test_no_flows_are_no_answers(tmp_path: Path) -> None:
    assert load(tmp_path, "[]\n") == []


ENDS = "from: shop/a, to: shop/b, port: 80"
REFUSED = {
    "{}": "1: want a list of flows, found a mapping",
    "": "1: the file is empty; write a list of flows in it",
    "- 1": "1: [0]: want a mapping, found the number 1",
    f"- {{{ENDS}, http: {{method: G T}}}}": '1: [0].http.method: want a method such as GET, found "G T"',
    f"- {{{ENDS}, http: {{method: ''}}}}": '1: [0].http.method: want a method such as GET, found ""',
    f"- {{{ENDS}, http: {{path: public}}}}": "1: [0].http.path: want a path that begins with /",
    f"- {{{ENDS}, http: {{path: /a b}}}}": "1: [0].http.path: want a path of visible ASCII characters without #",
    f"- {{{ENDS}, http: {{path: '/a#b'}}}}": "1: [0].http.path: want a path of visible ASCII characters without #",
    f"- {{{ENDS}, http: {{host: ''}}}}": "1: [0].http.host: want a host such as",
    f"- {{{ENDS}, http: {{hedders: {{}}}}}}": '1: [0].http: unknown field "hedders" (did you mean "headers"?)',
    f"- {{{ENDS}, http: {{headers: {{a b: c}}}}}}": '1: [0].http.headers["a b"]: want a name of letters',
    f'- {{{ENDS}, http: {{headers: {{a: "b\\n"}}}}}}': "1: [0].http.headers.a: want a value without control characters",
    f"- {{{ENDS}, http: {{headers: {{a: []}}}}}}": "1: [0].http.headers.a: empty; write a value",
    f"- {{{ENDS}, grpc: {{method: Cart/Add/More}}}}": "1: [0].grpc.method: want package.Service/Method",
    f"- {{{ENDS}, kafka: {{}}}}": "1: [0].kafka.api: missing; write it",
    f"- {{{ENDS}, kafka: {{api: prduce}}}}": '1: [0].kafka.api: no API of Kafka is called "prduce" (did you mean "produce"?)',
    f"- {{{ENDS}, kafka: {{api: fetch, version: -1}}}}": "1: [0].kafka.version: want at least 0",
    f"- {{{ENDS}, http: {{}}, grpc: {{method: a/b}}}}": "1: [0].grpc: beside http; write a flow for each",
    f"- {{{ENDS}, protocol: UDP, http: {{}}}}": "1: [0].http: is asked over TCP, not UDP",
    "- {from: shop/a, to: shop/b, port: 80, verdict: denied}": '1: [0]: unknown field "verdict"',
    "-\n  from: shop/a\n  to: shop/c\n  port: 80": '3: [0].to: no pod "shop/c" (did you mean "shop/b"?)',
    "- {from: {ip: 10.9.9.9}, to: {ip: fd00::9}, port: 80}": "1: [0].to: fd00::9 is not of IPv4, as the flow is",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=REFUSED.values())
def test_what_is_no_list_of_flows_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (found,) = refusal(tmp_path, text)
    assert found.startswith(message)


def test_pods_are_not_looked_through_anew_for_each_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ref(pod: Pod) -> str:
        asked.append(pod.name)
        return f"{pod.namespace}/{pod.name}"

    monkeypatch.setattr(Pod, "ref", property(ref))
    pods = tuple(Pod(f"p{number}", "shop", "n1", ips=(f"10.0.0.{number}",)) for number in range(100))
    topology = Topology("t", ("n1",), (Namespace("shop"),), pods)
    file = tmp_path / "flows"
    file.write_text("- {from: {ip: 10.0.0.98}, to: shop/p99, port: 80}\n- {from: shop/p99, to: shop/p98, port: 80}\n" * 50)
    for flow in load_flows(file, topology):
        assert answer(flow, (), topology).verdict is Verdict.FORWARDED
    assert len(asked) < 1000


def test_of_many_unknown_pods_the_first_get_a_near_name(tmp_path: Path) -> None:
    faults = refusal(tmp_path, "- {from: shop/aa, to: shop/b, port: 80}\n" * 150)
    assert faults[0] == '1: [0].from: no pod "shop/aa" (did you mean "shop/a"?)'
    assert faults[-1] == '150: [149].from: no pod "shop/aa"'
    assert len(faults) == 150


def test_requests_are_read_with_their_defaults(tmp_path: Path) -> None:
    text = f"""\
- {{{ENDS}, http: {{}}}}
- {{{ENDS}, http: {{method: PUT, path: "/a?b", host: shop.example, headers: {{A: b, c: [d, e]}}}}}}
- {{{ENDS}, grpc: {{method: shop.Cart/Add}}}}
- {{{ENDS}, kafka: {{api: Produce, version: 3, topic: orders, client_id: me}}}}
- {{{ENDS}, kafka: {{api: fetch, topic: [orders, bills]}}}}
"""
    assert [flow.request for flow in load(tmp_path, text)] == [
        HTTPRequest(),
        HTTPRequest("PUT", "/a?b", "shop.example", (("A", "b"), ("c", "d"), ("c", "e"))),
        GRPCRequest("shop.Cart/Add"),
        KafkaRequest("produce", 3, ("orders",), "me"),
        KafkaRequest("fetch", 0, ("orders", "bills")),
    ]
