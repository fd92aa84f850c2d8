"""Calls of gRPC through node proxies, by real clients and servers."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from request_policies import POLICY, egress, http, http_headers, ingress, rule

from harness.dataplanes.port import Attachment
from harness.lab.port import Lab
from harness.model.call import CallKind, GRPCCall
from harness.model.cilium import HeaderMatch
from harness.model.flow import Flow, Verdict
from harness.traffic.calls import asking
from harness.traffic.calls.asking import CallWatch
from harness.traffic.calls.programs import CallPrograms, call_programs
from harness.traffic.probe import Observation

PORT = 50051
SECONDS = 20.0
BOTH = pytest.mark.parametrize("app", ["server", "neighbour"])
"""On the other node than the client, and on the same."""
FAMILIES = pytest.mark.parametrize("family", [4, 6])
REFUSED = "PERMISSION_DENIED: Access denied"


@pytest.fixture(scope="module")
def programs(pair_lab: Lab) -> Iterator[CallPrograms]:
    with call_programs(pair_lab, ["shop/client"], ["shop/server", "shop/neighbour"], [PORT]) as running:
        yield running


def call(app: str, method: str, family: int = 4, kind: CallKind = CallKind.UNARY) -> Flow:
    return Flow("shop/client", f"shop/{app}", PORT, family=family, request=GRPCCall(f"a.B/{method}", kind=kind))


def said(seen: Observation) -> tuple[Verdict, str]:
    return seen.verdict, seen.detail


@BOTH
@FAMILIES
@pytest.mark.parametrize("kind", CallKind)
def test_refused_calls_reach_no_server_and_allowed_ones_come_from_the_client(
    plane: Attachment, pair_lab: Lab, programs: CallPrograms, app: str, family: int, kind: CallKind
) -> None:
    plane.apply([ingress(app, rule("client", http("/a.B/Get"), port=PORT))])
    watch, before = CallWatch(programs), programs.servers[f"shop/{app}"].count()
    get, drop = call(app, "Get", family, kind), call(app, "Drop", family, kind)
    answered, refused = asking.ask([get, drop], programs, SECONDS)
    assert said(answered) == (Verdict.FORWARDED, f"OK from shop/{app}")
    assert said(refused) == (Verdict.REJECTED, REFUSED)
    assert watch.reached(get, answered.nonce) == "its server was reached (called)"
    assert watch.reached(drop, refused.nonce) is None
    served = [each for each in programs.servers[f"shop/{app}"].arrived(before) if each["what"] == "served"]
    address = pair_lab.pod("shop/client").pod.ip(family)
    assert [each["peer"].rpartition(":")[0].strip("[]") for each in served] == [address]


def test_a_refused_call_proves_its_reason_and_another_method_does_not(plane: Attachment, programs: CallPrograms) -> None:
    plane.apply([ingress("server", rule("client", http("/a.B/Get"), port=PORT))])
    get, drop = call("server", "Get"), call("server", "Drop")
    asking.ask([get, drop], programs, SECONDS)
    found = plane.evidence(drop)
    assert found is not None
    assert (found.reason, found.rule, found.detail) == ("rbac_access_denied", str(POLICY), "ingress on node n2: POST /a.B/Drop")
    assert plane.evidence(get) is None


@BOTH
def test_a_stream_goes_on_and_later_calls_over_its_connection_are_refused(
    plane: Attachment, programs: CallPrograms, app: str
) -> None:
    def allow(method: str) -> None:
        taken = http(f"/a.B/{method}")
        plane.apply([ingress(app, rule("client", taken, port=PORT)), egress("client", rule(app, taken, port=PORT))])

    talk, again, get = call(app, "Talk", kind=CallKind.BIDI), call(app, "Talk"), call(app, "Get")
    allow("Talk")
    with asking.connections(programs) as kept:
        nonces = asking.begin([talk], programs, kept)
        allow("Get")
        later = asking.ask([again, get], programs, SECONDS, kept, all_kept=True)
        (rest,) = asking.go_on([talk], programs, [SECONDS], kept, nonces)
    assert [said(each) for each in later] == [(Verdict.REJECTED, REFUSED), (Verdict.FORWARDED, f"OK from shop/{app}")]
    assert said(rest) == (Verdict.FORWARDED, f"OK from shop/{app}")


@BOTH
def test_metadata_that_differs_is_put_right_before_the_server_sees_it(
    plane: Attachment, programs: CallPrograms, app: str
) -> None:
    plane.apply([ingress(app, rule("client", http_headers(HeaderMatch("x-team", "web", "REPLACE")), port=PORT))])
    server = programs.servers[f"shop/{app}"]
    before, flow = server.count(), call(app, "Get")
    evil = replace(flow, request=GRPCCall("a.B/Get", headers=(("x-team", "evil"), ("x-other", "kept"))))
    (seen,) = asking.ask([evil], programs, SECONDS)
    (called,) = [each for each in server.arrived(before) if each["what"] == "called"]
    assert said(seen) == (Verdict.FORWARDED, f"OK from shop/{app}")
    metadata = dict(called["metadata"])
    assert (metadata["x-team"], metadata["x-other"]) == ("web", "kept")
