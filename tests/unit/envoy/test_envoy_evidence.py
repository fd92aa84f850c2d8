import json
from pathlib import Path

from harness.envoy.evidence import DENIALS_FILE, Denials


def refuse(folder: Path, source: str, port: int, details: str = "denied") -> None:
    line = {"direction": "inbound", "source": source, "destination": "10.0.0.2", "port": port, "details": details, "peer": None}
    with (folder / DENIALS_FILE).open("a") as log:
        log.write(json.dumps(line) + "\n")


def test_nothing_was_refused_where_no_log_is(tmp_path: Path):
    denials = Denials(tmp_path)
    denials.forget()
    assert denials.latest("10.0.0.1", "10.0.0.2", 8080) is None


def test_latest_refusal_of_that_very_flow_is_found(tmp_path: Path):
    refuse(tmp_path, "10.0.0.1", 8080, "first")
    refuse(tmp_path, "10.0.0.1", 8080, "second")
    refuse(tmp_path, "10.0.0.9", 8080)
    refuse(tmp_path, "10.0.0.1", 8081)
    found = Denials(tmp_path).latest("10.0.0.1", "10.0.0.2", 8080)
    assert found is not None
    assert found.details == "second"
    assert Denials(tmp_path).latest("10.0.0.1", "10.0.0.2", 9999) is None


def test_refusals_under_an_earlier_policy_are_forgotten(tmp_path: Path):
    denials = Denials(tmp_path)
    refuse(tmp_path, "10.0.0.1", 8080)
    denials.forget()
    assert denials.latest("10.0.0.1", "10.0.0.2", 8080) is None
    refuse(tmp_path, "10.0.0.1", 8080, "again")
    found = denials.latest("10.0.0.1", "10.0.0.2", 8080)
    assert found is not None
    assert found.details == "again"
