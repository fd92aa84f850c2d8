"""Which requests the messages of an exchange are, and what a case may expect of them."""

from pathlib import Path

import pytest

from harness.campaign.conformance.exchanges import message_flows, readings
from harness.campaign.conformance.oracles import consult
from harness.campaign.coverage.pairs import coverage
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.model.case import Case
from harness.model.exchange import Exchange

GET = r"GET /public HTTP/1.1\r\nHost: api\r\n\r\n"
ADMIN = r"GET /admin HTTP/1.1\r\nHost: api\r\n\r\n"
SMUGGLED = rf"POST /public HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{ADMIN}"
POLICY = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: client}}]
      toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{path: /public}]}}]
"""


def case(folder: Path, *messages: tuple[str, str], source: str = "shop/client") -> Case:
    place = folder / "l7" / "case"
    place.mkdir(parents=True)
    (place / "api.yaml").write_text(POLICY)
    listed = ", ".join(f'{{raw: "{raw}", verdict: {verdict}}}' for raw, verdict in messages)
    exchange = f"{{from: {source}, to: shop/api, port: 8080, family: 4, messages: [{listed}]}}"
    (place / "scenario.yaml").write_text(
        f"title: t\nwhy: w\ntopology: mesh\napply: [api.yaml]\nexpect: {{exchanges: [{exchange}]}}\n"
    )
    (found,) = load_cases([folder])
    return found


def against(written: Case) -> list[str]:
    return list(consult(written, plan(written.topology).topology).contradictions)


def test_a_case_that_follows_from_reading_and_policy_is_not_contradicted(tmp_path: Path) -> None:
    assert against(case(tmp_path, (GET, "forwarded"), (ADMIN, "rejected"), (SMUGGLED, "refusable"))) == []


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([(ADMIN, "forwarded")], "message 1: expected forwarded: it is GET /admin"),
        ([(GET, "refusable")], "so that it is forwarded"),
        ([(SMUGGLED, "rejected")], "it is no request"),
        ([(GET + ADMIN, "forwarded")], "message 1 does not end where a strict reader ends it"),
        ([(GET, "forwarded"), (GET + ADMIN, "rejected")], "message 2 does not end where"),
        ([(GET[:20], "forwarded"), (GET[20:], "forwarded")], "message 1 does not end where"),
        ([(SMUGGLED, "refusable"), (GET, "forwarded")], "message 1 is no request (both Transfer-Encoding and Content-Length)"),
    ],
)
def test_what_does_not_follow_is_said(tmp_path: Path, messages: list[tuple[str, str]], said: str) -> None:
    assert said in "\n".join(against(case(tmp_path, *messages)))


def test_a_connection_that_policy_drops_is_no_exchange(tmp_path: Path) -> None:
    assert "do not allow its connection" in against(case(tmp_path, (GET, "forwarded"), source="shop/cart"))[0]


def test_messages_are_flows_but_those_that_ask_for_no_path(tmp_path: Path) -> None:
    written = case(tmp_path, (GET, "forwarded"), (r"OPTIONS * HTTP/1.1\r\nHost: api\r\n\r\n", "refusable"), (ADMIN, "rejected"))
    ((expectation,),) = [step.exchanges for step in written.steps]
    assert [(str(flow.request), fate) for flow, fate, _ in message_flows(expectation)] == [
        ("GET /public", "forwarded"),
        ("GET /admin", "rejected"),
    ]


def test_messages_from_the_first_that_is_none_on_are_no_requests() -> None:
    found, fault = readings(Exchange("a/b", "a/c", 80, (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"nonsense")))
    assert ([each is None for each in found], fault) == ([False, True], None)


def test_an_exchange_is_a_class_of_its_own_by_what_is_odd_in_it(tmp_path: Path) -> None:
    (found,) = coverage([case(tmp_path, (GET, "forwarded"), (SMUGGLED, "refusable"))], ())
    said = [pair.value for pair in found.pairs if pair.field == "exchange"]
    assert any("HTTP GET" in each and "before 1, whole over IPv4 within a node" in each for each in said)
    assert any("both Transfer-Encoding and Content-Length and a length before a coding" in each for each in said)
