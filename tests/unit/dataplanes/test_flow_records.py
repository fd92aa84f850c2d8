"""Records of requests: from what the kernel and Envoy tell, with Hubble's names, as the committed schema says."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from harness.cli.flows import line
from harness.dataplanes import NoSuchDataPlane, find
from harness.dataplanes.flow_folder import NodeFlows
from harness.dataplanes.flow_records import Names, Reasons, Record, lost_record, seen_record, served_record, written
from harness.dataplanes.flow_shape import Line, schema_text
from harness.envoy.flow_lines import PATH_BYTES, ServedRequest, read
from harness.mesh.l7flowlayout import EVENTS, FRAME, LINES, Way
from harness.mesh.l7flowlog import Lost, SeenRequest
from harness.mesh.l7layout import Pair
from harness.model.origin import Origin
from harness.model.topology import Namespace, Pod, Topology

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "flow-events.schema.json"
NOW = 1_795_761_222_987_304_403
CLIENT, BACKEND, FRONT = "10.0.0.1", "10.0.0.2", "172.20.0.9"
NAMES = Names(
    "n1",
    {CLIENT: ("shop/client", "n1"), BACKEND: ("shop/web", "n1"), "10.0.1.2": ("shop/far", "n2")},
    {FRONT: "shop/front"},
    {"3-ingress-0": "policy.yaml:7"},
)
SAID = {
    "begun": "1795761222.987304403", "latency": 900, "taken": 1000, "client": CLIENT, "client_port": 40000, "asked": BACKEND,
    "asked_port": 8080, "backend": BACKEND, "backend_port": 8080, "method": "GET", "path": "/a", "protocol": "HTTP/1.1",
    "code": 200, "details": "via_upstream",
}  # fmt: skip
DENIED = {"backend": None, "code": 403, "details": "rbac_access_denied_matched_policy[3-ingress-0]"}


def seen(slow: str | None = None, ways: Way = Way.CLIENT, at: int = NOW, status: int = 200, path: str = "/a") -> SeenRequest:
    pair = Pair(CLIENT, BACKEND, 8080)
    return SeenRequest(at, 500, pair, 40000, "GET", path[:96], len(path), status, slow, ways)


def served(**said: Any) -> ServedRequest:
    return read(json.dumps(SAID | said).encode())


@pytest.mark.parametrize(
    ("ways", "path", "why", "answer"),
    [
        (Way.CLIENT | Way.ASKED | Way.ANSWERED, "fast", None, "socket"),
        (Way.CLIENT | Way.ASKED, "fast", None, "tcp"),
        (Way.CLIENT, "past", "backend-socket", "tcp"),
        (Way(0), "past", "client-socket", "tcp"),
        (Way.RELAYED, "past", "client-socket", "relayed"),
        (Way.CLIENT | Way.ASKED | Way.LOST, "fast", None, "lost"),
        (Way.GONE, "past", "client-socket", "client-gone"),
    ],
)
def test_a_request_that_the_proxy_did_not_see_says_which_way_it_took(
    ways: Way, path: str, why: str | None, answer: str
) -> None:
    record = seen_record(seen(ways=ways), NAMES)
    assert record["meshproof"] == {"path": path, "answer": answer} | ({"why": why} if why else {})
    assert ("latency_ns" in record["flow"]["l7"]) is (answer not in ("lost", "client-gone"))


def test_names_are_hubbles() -> None:
    assert seen_record(seen(), NAMES)["flow"] == {
        "time": "2026-11-27T06:33:42.987304403Z",
        "verdict": "FORWARDED",
        "IP": {"source": CLIENT, "destination": BACKEND, "ipVersion": "IPv4"},
        "l4": {"TCP": {"source_port": 40000, "destination_port": 8080}},
        "source": {"namespace": "shop", "pod_name": "client"},
        "destination": {"namespace": "shop", "pod_name": "web"},
        "Type": "L7",
        "node_name": "n1",
        "l7": {
            "type": "REQUEST",
            "latency_ns": 500,
            "http": {"method": "GET", "url": "/a", "protocol": "HTTP/1.1", "code": 200},
        },
        "traffic_direction": "INGRESS",
        "is_reply": False,
        "Summary": "HTTP/1.1 GET /a",
    }


def test_a_refused_request_names_its_rule() -> None:
    record = served_record(served(**DENIED), "slow_not_allowed", NAMES)
    assert (record["flow"]["verdict"], record["flow"]["drop_reason_desc"]) == ("DROPPED", "POLICY_DENIED")
    assert record["meshproof"] == {
        "path": "slow", "why": "slow_not_allowed", "rule": "policy.yaml:7", "detail": DENIED["details"],
    }  # fmt: skip
    unknown = DENIED | {"details": "rbac_access_denied_matched_policy[9-ingress-0]"}
    assert served_record(served(**unknown), None, NAMES)["meshproof"]["rule"] is None


def test_what_the_proxy_answered_by_itself_is_an_error() -> None:
    said = {"method": None, "path": None, "protocol": None, "backend": None, "code": 400, "details": "http1.codec_error"}
    record = served_record(served(**said, latency="-", taken="-"), "slow_strange", NAMES)
    assert (record["flow"]["verdict"], record["meshproof"]["detail"]) == ("ERROR", "http1.codec_error")
    assert "latency_ns" not in record["flow"]["l7"]


def test_a_request_to_a_service_has_its_pod_and_its_service() -> None:
    record = served_record(served(asked=FRONT, asked_port=80), None, NAMES)
    assert record["flow"]["destination"] == {"namespace": "shop", "pod_name": "web"}
    assert record["flow"]["destination_service"] == {"namespace": "shop", "name": "front"}
    assert record["flow"]["l4"]["TCP"]["destination_port"] == 8080


def test_long_urls_are_cut_and_say_so() -> None:
    long = "/" + "x" * 2000
    assert seen_record(seen(path=long), NAMES)["meshproof"]["url_cut"] is True
    record = served_record(served(path=long[: PATH_BYTES + 1]), None, NAMES)
    assert record["meshproof"]["url_cut"] is True
    assert len(record["flow"]["l7"]["http"]["url"]) == PATH_BYTES


def test_reasons_meet_the_requests_that_they_are_of() -> None:
    reasons = Reasons()
    for at, why in ((0, "slow_not_allowed"), (5000, "slow_no_upstream"), (9000, "slow_strange")):
        reasons.heard(seen(why, at=NOW + at))
    times = (10, 5010, 9010, 10_010, 11_010)
    found = [reasons.of(served(begun=f"1795761222.{987304403 + at}")) for at in times]
    assert found == ["slow_not_allowed", "slow_no_upstream", "slow_strange", "slow_unframed", "slow_unframed"]


def test_a_reason_that_was_lost_is_no_other_requests() -> None:
    reasons = Reasons()
    reasons.heard(seen("slow_not_allowed", at=NOW + 5000))
    assert reasons.of(served()) is None, "it was over before"
    assert reasons.of(served(begun=f"1795761222.{987304403 + 5010}")) == "slow_not_allowed"
    assert reasons.of(served(client_port=40001)) is None


def test_a_request_that_the_proxy_read_first_is_told_of_with_its_answer() -> None:
    reasons = Reasons()
    reasons.heard(seen("slow_unaccepted", at=NOW + 2000))
    assert reasons.of(served()) == "slow_unaccepted"


def sample() -> list[Record]:
    return [
        seen_record(seen(), NAMES),
        seen_record(seen(ways=Way.CLIENT | Way.LOST, path="/" + "y" * 200, status=0), Names("n1")),
        served_record(served(**DENIED), None, NAMES),
        served_record(served(asked=FRONT), "slow_no_target", NAMES),
        lost_record(Lost(NOW, 4), "n1"),
        lost_record(Lost(NOW, 4, overwritten=True), "n1"),
    ]


def test_json_is_as_its_schema_says() -> None:
    again = "python -c 'from harness.dataplanes.flow_shape import schema_text; print(schema_text(), end=\"\")'"
    assert SCHEMA.read_text() == schema_text(), f"write it anew: {again} > {SCHEMA}"
    lines: TypeAdapter[Any] = TypeAdapter(Line)
    for record in sample():
        known = lines.dump_python(lines.validate_json(json.dumps(record), strict=True))
        assert _without(record, known) == {}, "fields that the schema does not have"


def _without(record: Record, known: Record) -> Record:
    """What of ``record`` is not in ``known``."""
    found = {}
    for name, value in record.items():
        if isinstance(value, dict):
            left = _without(value, known.get(name, {}))
            found |= {name: left} if left else {}
        elif name not in known or known[name] != value:
            found[name] = value
    return found


def test_people_get_a_line_each() -> None:
    found = [line(each) for each in sample() if "flow" in each]
    assert found[0] == (
        "2026-11-27T06:33:42.987304403Z shop/client:40000 -> shop/web:8080 GET /a FORWARDED 200 0.001ms (past, backend-socket)"
    )
    assert found[1].endswith("yyy... FORWARDED (past, backend-socket)")
    assert "DROPPED 403" in found[2]
    assert "policy.yaml:7" in found[2]


def test_names_are_those_of_the_time_and_each_file_is_enough(tmp_path: Path) -> None:
    folder = tmp_path / "n1"
    writer = NodeFlows(folder)
    for name in ("former", "heir"):
        pods = (Pod(name, "shop", "n1", ips=(CLIENT,)), Pod("web", "shop", "n1", ips=(BACKEND,)))
        topology = Topology("t", ("n1",), (Namespace("shop"),), pods)
        writer.now_known(topology, {"shop/front": [FRONT]}, {"3-ingress-0": Origin("policy.yaml", 7)})
    known = json.loads((folder / "names.json").read_text())["known"]
    times = [known[0]["since"] + 1, known[1]["since"] + 1]
    data = b"".join(json.dumps(SAID | DENIED | {"begun": f"{at // 10**9}.{at % 10**9:09}"}).encode() + b"\n" for at in times)
    (folder / "00000001.flows").write_bytes(
        FRAME.pack(LINES, len(data), 0, 0, 0, 0) + data + FRAME.pack(EVENTS, 0, 0, 0, NOW, 3)
    )
    *requests, (_, lost) = NodeFlows(folder).new()
    assert [each["flow"]["source"]["pod_name"] for _, each in requests] == ["former", "heir"]
    assert {each["meshproof"]["rule"] for _, each in requests} == {"policy.yaml:7"}
    assert lost["lost_events"]["num_events_lost"] == 3


def test_settings_of_flows_are_the_fast_paths_alone() -> None:
    assert find("ebpf-l7@flows=true").name == "ebpf-l7@flows=true"
    for wrong in ("node-proxy@flows=true", "ebpf-l7@flow_ring_bytes=5000", "ebpf-l7@flow_ring_bytes=0"):
        with pytest.raises(NoSuchDataPlane, match="flow"):
            find(wrong)


def test_times_are_whole_nanoseconds() -> None:
    assert written(NOW) == "2026-11-27T06:33:42.987304403Z"
