"""What becomes of headers that differ from what a rule names, where the rule says so."""

import json
import time

import pytest
from http_ends import SECONDS, Backend, ask, get, keep_alive
from request_policies import REQUESTS, egress, http, ingress, rule

from harness.dataplanes.port import Attachment
from harness.envoy.request_denials import MISMATCHES_FILE
from harness.lab.port import Lab, LabPod
from harness.model.cilium import HeaderMatch, HTTPRule

BOTH = pytest.mark.parametrize("app", ["server", "neighbour"])


def changing(*matches: HeaderMatch, path: str | None = None) -> HTTPRule:
    return HTTPRule(REQUESTS, path=path, header_matches=matches)


def tokens(backend: Backend) -> list[bytes]:
    """The lines of the latest request that name a token."""
    return [line for line in backend.seen[-1].lines if line.lower().startswith(b"x-token")]


@BOTH
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("match", "sent", "arrived"),
    [
        (HeaderMatch("X-Token", "42", "ADD"), None, [b"x-token: 42"]),
        (HeaderMatch("X-Token", "42", "ADD"), "41", [b"x-token: 41", b"x-token: 42"]),
        (HeaderMatch("X-Token", "42", "ADD"), "42", [b"x-token: 42"]),
        (HeaderMatch("X-Token", "50%", "REPLACE"), "41", [b"x-token: 50%"]),
        (HeaderMatch("X-Token", "42", "REPLACE"), None, [b"x-token: 42"]),
        (HeaderMatch("X-Token", "42", "DELETE"), "41", []),
        (HeaderMatch("X-Token", "42", "DELETE"), "42", [b"x-token: 42"]),
        (HeaderMatch("X-Token", None, "DELETE"), "41", [b"x-token: 41"]),
        (HeaderMatch("X-Token", "42", "LOG"), "41", [b"x-token: 41"]),
    ],
)
def test_a_header_is_changed_where_it_differs(
    plane: Attachment,
    pair_lab: Lab,
    client: LabPod,
    backends: dict[str, Backend],
    app: str,
    family: int,
    match: HeaderMatch,
    sent: str | None,
    arrived: list[bytes],
) -> None:
    plane.apply([ingress(app, rule("client", changing(match)))])
    answer = get(client, pair_lab.pod(f"shop/{app}"), "/", family, {} if sent is None else {"x-token": sent})
    assert answer.status == 200
    assert tokens(backends[app]) == arrived


def test_rules_of_others_and_of_other_requests_change_nothing(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    add = HeaderMatch("X-Token", "42", "ADD")
    neighbour = rule("neighbour", changing(add))
    plane.apply([ingress("server", rule("client", changing(add, path="/a"), http("/b")), neighbour)])
    with keep_alive(client, pair_lab.pod("shop/server")) as connection:
        for path, arrived in (("/a", [b"x-token: 42"]), ("/b", []), ("/a", [b"x-token: 42"])):
            assert ask(connection, path).status == 200
            assert tokens(backends["server"]) == arrived
        plane.apply([ingress("server", rule("client", changing(HeaderMatch("X-Token", "7", "ADD"))))])
        assert ask(connection, "/b").status == 200
        assert tokens(backends["server"]) == [b"x-token: 7"]


def test_all_rules_that_take_a_request_change_it_in_their_order(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    first = changing(HeaderMatch("X-Token", "1", "REPLACE"), HeaderMatch("X-Token-B", "2", "ADD"))
    second = changing(HeaderMatch("X-Token", "3", "ADD"))
    plane.apply([ingress("server", rule("client", first, second))])
    assert get(client, pair_lab.pod("shop/server"), "/", headers={"x-token": "0"}).status == 200
    assert tokens(backends["server"]) == [b"x-token: 1", b"x-token-b: 2", b"x-token: 3"]


@BOTH
def test_the_backends_rules_see_what_the_clients_rules_made_of_a_request(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], app: str
) -> None:
    plane.apply(
        [
            egress("client", rule(app, changing(HeaderMatch("X-Token", "42", "ADD")))),
            ingress(app, rule("client", http(None, None, None, "X-Token: 42"))),
        ]
    )
    assert get(client, pair_lab.pod(f"shop/{app}")).status == 200
    assert get(client, pair_lab.pod(f"shop/{app}"), headers={"X-Token": "41"}).status == 403


def test_a_refused_request_is_not_changed_but_refused(plane: Attachment, pair_lab: Lab, client: LabPod) -> None:
    plane.apply([ingress("server", rule("client", changing(HeaderMatch("X-Token", "42", "ADD"), path="/a")))])
    assert get(client, pair_lab.pod("shop/server"), "/b").status == 403


def written(lab: Lab, last: str) -> list[str]:
    """The lines of all logs of mismatches, once one of them has ``last``: Envoy writes it a moment after its answer."""
    deadline = time.monotonic() + SECONDS
    while True:
        logs = [path.read_text() for path in lab.folder.glob(f"envoy-*/*/{MISMATCHES_FILE}")]
        if any(last in text for text in logs) or time.monotonic() > deadline:
            return [line for text in logs for line in text.splitlines()]
        time.sleep(0.01)


def test_a_mismatch_is_logged_where_a_rule_says_so(plane: Attachment, pair_lab: Lab, client: LabPod) -> None:
    plane.apply([ingress("server", rule("client", changing(HeaderMatch("X-Token", "42", "LOG"))))])
    server = pair_lab.pod("shop/server")
    get(client, server, "/right", headers={"X-Token": "42"})
    get(client, server, "/wrong", headers={"X-Token": "41"})
    (line,) = [json.loads(line) for line in written(pair_lab, "/wrong") if "/wrong" in line or "/right" in line]
    assert (line["source"], line["path"]) == (client.pod.ip(4), "/wrong")
    assert line["wanted"]["X-Token"] == "42"
