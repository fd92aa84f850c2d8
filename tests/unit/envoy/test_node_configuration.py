"""What a node's Envoy is started with and told; that each setting reaches it, and that its types have all fields."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from harness.dataplanes import find
from harness.envoy import node_listeners, request_resources
from harness.envoy.admission import Direction
from harness.envoy.node_bootstrap import node_bootstrap
from harness.envoy.node_tuning import DEFAULTS, NodeTuning, parse
from harness.envoy.process import command
from harness.envoy.request_denials import DENIALS_FILE, RefusedRequests
from harness.envoy.request_rules import NONE
from harness.envoy.resources import library, message
from harness.envoy.transparent import attach_script, detach_script, ruleset

FOLDER, SOCKET = Path("/folder"), Path("/xds.sock")
OTHERS = {
    "concurrency": 5,
    "normalize_path": False,
    "idle_timeout": False,
    "access_log": True,
    "flows": True,
    "all_statistics": True,
    "exact_balance": True,
    "buffer_bytes": 32768,
    "retries": 0,
    "drain_seconds": 7,
    "handover_seconds": 9,
}


def told(tuning: NodeTuning) -> list[dict[str, Any]]:
    return [request_resources.cluster(tuning), node_listeners.listener(tuning, FOLDER), request_resources.routes(NONE, tuning)]


def everything(tuning: NodeTuning) -> str:
    return json.dumps([*told(tuning), node_bootstrap("n1", FOLDER, SOCKET, tuning), command(FOLDER, tuning, 0)])


@pytest.mark.parametrize("setting", [field.name for field in fields(NodeTuning)])
def test_every_setting_reaches_envoy(setting: str) -> None:
    assert everything(replace(DEFAULTS, **{setting: OTHERS[setting]})) != everything(DEFAULTS)


@pytest.mark.parametrize("tuning", [DEFAULTS, replace(DEFAULTS, normalize_path=False, access_log=True, buffer_bytes=1)])
def test_every_field_is_one_of_its_type(tuning: NodeTuning) -> None:
    assert [message(each).name for each in [*told(tuning), node_listeners.mark(70000)]] == [
        "backend", "requests", "requests", "mark-70000",
    ]  # fmt: skip


def test_settings_are_read_as_the_sidecars_are() -> None:
    assert parse("defaults") is DEFAULTS
    assert parse("concurrency=1,normalize_path=false") == NodeTuning(concurrency=1, normalize_path=False)
    with pytest.raises(ValueError, match=r"'fast' is no setting; there are defaults, concurrency=N, .*, normalize_path=true"):
        parse("fast")
    assert find("node-proxy@concurrency=1").name == "node-proxy@concurrency=1"


def test_a_cluster_of_another_number_is_another() -> None:
    assert message(request_resources.cluster(DEFAULTS, 1)) != message(request_resources.cluster(DEFAULTS, 2))


def test_requests_are_passed_on_as_they_come() -> None:
    [_, chain] = node_listeners.listener(DEFAULTS, FOLDER)["filter_chains"]
    manager = chain["filters"][0]["typed_config"]
    assert manager["normalize_path"] is True  # before rules are asked: decision 0090
    assert manager["generate_request_id"] is False
    assert manager["http_filters"][-1]["typed_config"]["suppress_envoy_headers"] is True


def test_nothing_marked_is_forwarded_whatever_the_family() -> None:
    rules = ruleset(512)
    assert "tproxy ip to 127.0.0.1:15001" in rules
    assert "tproxy ip6 to [::1]:15001" in rules
    for family in (4, 6):
        assert f"ip -{family} rule add fwmark 512 lookup 100" in attach_script(512)
        assert f"ip -{family} rule del fwmark 512 lookup 100" in detach_script(512)


def refusal(**changes: object) -> str:
    line = {"source": "10.0.0.1", "destination": "10.0.0.2", "port": 80, "method": "GET", "path": "/a"}
    return json.dumps({**line, "details": "rbac_access_denied_matched_policy[3-ingress-0]", **changes}) + "\n"


def test_refused_requests_are_found_by_flow_and_by_what_was_asked(tmp_path: Path) -> None:
    log = tmp_path / DENIALS_FILE
    refused = RefusedRequests(tmp_path)
    flow = ("10.0.0.1", "10.0.0.2", 80)
    assert refused.latest(*flow, None) is None
    log.write_text(refusal() + refusal(path="/b", method="PUT") + refusal(source="10.0.0.9", path="/c"))
    latest = refused.latest(*flow, None)
    assert latest is not None
    assert (latest.path, latest.policy, latest.direction) == ("/b", "3-ingress-0", "ingress")
    asked = refused.latest(*flow, ("GET", "/a"))
    assert asked is not None
    assert asked.path == "/a"
    assert refused.latest(*flow, ("GET", "/b")) is None
    refused.forget()
    assert refused.latest(*flow, None) is None


@pytest.mark.parametrize("direction", list(Direction))
def test_where_no_rules_have_come_everything_is_refused(direction: Direction) -> None:
    """An RBAC filter without rules would let everything pass; one whose rules allow nothing does not."""
    [_, chain] = node_listeners.listener(DEFAULTS, FOLDER)["filter_chains"]
    filters = {each["name"]: each["typed_config"] for each in chain["filters"][0]["typed_config"]["http_filters"]}
    packed = library("google.protobuf").Any.from_dict(filters[f"{direction}-rules"])
    assert packed.unpack().rules is not None, "also as it is sent"
    assert packed.unpack().rules.policies == {}
