"""A change of policy reaches connections that are open, and lets nothing through that neither policy allows."""

from http.client import HTTPException
from itertools import count

import pytest
from http_ends import Backend, ask, asking, get, keep_alive
from request_policies import egress, http, ingress, rule

from harness.dataplanes.port import Attachment, DataPlaneError, RestartKind
from harness.lab.port import Lab, LabPod
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, HTTPRule, KafkaRule, L7Rules, PortRule
from harness.model.origin import Origin

BOTH = pytest.mark.parametrize("app", ["server", "neighbour"])
FAMILIES = pytest.mark.parametrize("family", [4, 6])
ENDED = (ConnectionError, HTTPException)
"""How a client sees that its connection was cut."""


@BOTH
@FAMILIES
def test_what_is_revoked_is_refused_on_an_open_connection(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], app: str, family: int
) -> None:
    plane.apply([ingress(app, rule("client", http("/a"), http("/b")))])
    with keep_alive(client, pair_lab.pod(f"shop/{app}"), family) as connection:
        assert [ask(connection, "/a").status, ask(connection, "/b").status] == [200, 200]
        local = connection.sock.getsockname()
        plane.apply([ingress(app, rule("client", http("/b"), http("/c")))])
        assert [ask(connection, path).status for path in ("/a", "/b", "/c")] == [403, 200, 200]
        assert connection.sock.getsockname() == local
    assert backends[app].targets() == ["/a", "/b", "/b", "/c"]


@BOTH
def test_who_may_no_longer_connect_is_dropped_on_an_open_connection(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], app: str
) -> None:
    plane.apply([ingress(app, rule("client", http("/a")))])
    with keep_alive(client, pair_lab.pod(f"shop/{app}")) as connection:
        assert ask(connection, "/a").status == 200
        plane.apply([ingress(app, rule("nobody"))])
        connection.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            ask(connection, "/a")
    assert backends[app].targets() == ["/a"]


@BOTH
@FAMILIES
@pytest.mark.parametrize("way", ["ingress", "egress"])
def test_a_connection_that_went_past_the_proxy_is_cut_when_its_requests_are_to_be_judged(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], app: str, family: int, way: str
) -> None:
    server = pair_lab.pod(f"shop/{app}")
    with keep_alive(client, server, family) as connection:
        assert ask(connection, "/private").status == 200
        plane.apply([ingress(app, rule("client", http("/a"))) if way == "ingress" else egress("client", rule(app, http("/a")))])
        with pytest.raises(ENDED):
            ask(connection, "/private")
    assert get(client, server, "/a", family).status == 200
    assert backends[app].targets() == ["/private", "/a"]


@BOTH
@FAMILIES
def test_a_connection_of_the_proxys_goes_on_when_its_requests_are_judged_no_more(
    plane: Attachment, pair_lab: Lab, client: LabPod, app: str, family: int
) -> None:
    server = pair_lab.pod(f"shop/{app}")
    plane.apply([ingress(app, rule("client", http("/a")))])
    with keep_alive(client, server, family) as connection:
        assert [ask(connection, "/a").status, ask(connection, "/private").status] == [200, 403]
        plane.apply([])
        assert [ask(connection, "/private").status, ask(connection, "/private").status] == [200, 200]
        plane.apply([ingress(app, rule("client", http("/a")))])
        assert ask(connection, "/private").status == 403


def test_what_an_envoy_still_holds_is_refused_when_its_client_may_no_longer_connect(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    """Of two requests in one segment the second waits in Envoy; the rule is gone before the first has been answered."""
    neighbour = pair_lab.pod("shop/neighbour")
    plane.apply([ingress("neighbour", rule("client", http("/a"), http("/b")))])
    with backends["neighbour"].holding() as held, keep_alive(client, neighbour) as connection:
        connection.sock.sendall(b"GET /a HTTP/1.1\r\nHost: b\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n")
        held.wait(5.0)
        plane.apply([ingress("neighbour", rule("nobody"))])
    plane.apply([])
    assert get(client, neighbour, "/later").status == 200
    assert backends["neighbour"].targets() == ["/a", "/later"]


POLICIES: dict[str, tuple[list[CiliumPolicy], list[CiliumPolicy]]] = {
    "at one end or the other": (
        [ingress("server", rule("client", http("/public/.*")))],
        [egress("client", rule("server", http("/public/.*")))],
    ),
    "requests or connections": ([ingress("server", rule("client", http("/public/.*")))], [ingress("server", rule("nobody"))]),
    "by this rule or that": (
        [ingress("server", rule("client", http("/public/.*")))],
        [ingress("server", rule("client", http("/public/a")))],
    ),
}


@pytest.mark.parametrize("pair", list(POLICIES))
def test_nothing_that_both_policies_refuse_gets_through_while_they_change(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], pair: str
) -> None:
    server, numbers, private = pair_lab.pod("shop/server"), count(), []
    policies = POLICIES[pair]
    plane.apply(policies[0])

    def work() -> None:
        path = f"/private/{next(numbers)}"
        try:
            with keep_alive(client, server) as connection:
                connection.sock.settimeout(0.2)
                ask(connection, "/public/a")
                private.append(ask(connection, path).status)
        except (OSError, HTTPException):
            private.append(0)

    with asking(work):
        for turn in range(1, 21):
            plane.apply(policies[turn % 2])
    assert 403 in private
    assert set(private) <= {0, 403, 503}
    assert not [target for target in backends["server"].targets() if target.startswith("/private")]


def test_requests_that_both_policies_allow_are_answered_while_they_change(
    plane: Attachment, pair_lab: Lab, client: LabPod
) -> None:
    server, seen = pair_lab.pod("shop/server"), []
    policies = [[ingress("server", rule("client", http(path), http("/public")))] for path in ("/a", "/b")]
    plane.apply(policies[0])
    with keep_alive(client, server) as connection, asking(lambda: seen.append(ask(connection, "/public").status)):
        for turn in range(1, 21):
            plane.apply(policies[turn % 2])
    assert len(seen) > 20
    assert set(seen) == {200}


def refused(**fields: object) -> CiliumPolicy:
    here = Origin("requests.yaml", 30)
    return ingress(
        "server",
        CiliumRule(here, ports=(PortRule(here, (CiliumPort(here, "8080", None, "TCP"),), L7Rules(here, **fields)),)),  # type: ignore[arg-type]
    )


KAFKA = L7Rules(Origin("requests.yaml", 30), kafka=(KafkaRule(Origin("requests.yaml", 31), topic="t"),))
BOTH = ingress(
    "server",
    rule("client", http("/a")),
    CiliumRule(KAFKA.origin, ports=(PortRule(KAFKA.origin, (CiliumPort(KAFKA.origin, "8080", None, "TCP"),), KAFKA),)),
)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (BOTH, r"requests\.yaml:9: rules about HTTP beside rules about Kafka, both about port 8080"),
        (refused(http=(HTTPRule(Origin("requests.yaml", 31), path="/("),)), r"requests\.yaml:31: .*missing \)"),
    ],
)
def test_a_policy_that_cannot_be_enforced_is_refused_by_name_and_changes_nothing(
    plane: Attachment, pair_lab: Lab, client: LabPod, policy: CiliumPolicy, words: str
) -> None:
    plane.apply([ingress("server", rule("client", http("/a")))])
    with pytest.raises(DataPlaneError, match=words):
        plane.apply([policy])
    plane.restart("proxy", RestartKind.COLD)  # what it is told by then is not what it refused
    assert [get(client, pair_lab.pod("shop/server"), path).status for path in ("/a", "/b")] == [200, 403]
    plane.apply([ingress("server", rule("client", http("/b")))])
    assert [get(client, pair_lab.pod("shop/server"), path).status for path in ("/a", "/b")] == [403, 200]
