"""``up``, ``exec``, ``down`` and the ways in which they are used wrongly."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Run, machine_state


def name_of(said: str) -> str:
    return said.split()[1].rstrip(":")


@pytest.fixture
def lab(scenario: Path, meshproof: Run) -> Iterator[str]:
    done = meshproof("up", scenario, "--dataplane", "plain")
    assert done.returncode == 0, done.stderr
    yield done.stdout
    meshproof("down", "--lab", name_of(done.stdout))


def test_a_lab_is_used_by_hand_and_taken_down(scenario: Path, meshproof: Run) -> None:
    before = machine_state()
    up = meshproof("up", scenario, "--dataplane", "plain")
    assert up.returncode == 0, up.stderr
    assert "shop/server on n2" in up.stdout
    seen = meshproof("exec", "shop/client", "--", "ip", "-j", "address", "show", "eth0")
    assert json.loads(seen.stdout)[0]["ifname"] == "eth0"
    assert meshproof("down").returncode == 0
    assert machine_state() == before


def test_clean_ends_a_lab_that_stays_up_and_its_keeper(scenario: Path, meshproof: Run) -> None:
    before = machine_state()
    up = meshproof("up", scenario, "--dataplane", "plain")
    assert up.returncode == 0, up.stderr
    done = meshproof("clean")
    assert f"lab {name_of(up.stdout)}: taken down by process" in done.stdout, done.stderr
    assert machine_state() == before


def test_exec_passes_output_and_status_on_unchanged(lab: str, meshproof: Run) -> None:
    done = meshproof("exec", "--lab", name_of(lab), "shop/client", "--", "sh", "-c", "printf out; printf err >&2; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, "out", "err")


def test_exec_reaches_another_pods_server(lab: str, meshproof: Run) -> None:
    address = next(line.split()[-2] for line in lab.splitlines() if "shop/server" in line)
    script = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())"
    done = meshproof(
        "exec", "--lab", name_of(lab), "shop/client", "--", "/usr/bin/python3", "-c", script, f"http://{address}:8080/name"
    )
    assert done.stdout.strip() == "shop/server", done.stderr


def test_a_pod_that_is_not_there_is_named_with_those_that_are(lab: str, meshproof: Run) -> None:
    done = meshproof("exec", "--lab", name_of(lab), "shop/cilent", "--", "true")
    assert done.returncode == 2
    assert "no pod 'shop/cilent'" in done.stderr
    assert "shop/client" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["down"], 2, "no lab is up"),
        (["exec", "shop/client", "--", "true"], 2, "no lab is up"),
        (["up", "nowhere.yaml", "--dataplane", "plain"], 2, "nowhere.yaml"),
        (["bench", "--dataplane", "istio"], 2, "no data plane is called 'istio'"),
        (["bench", "--dataplane", "plain@fast=1"], 2, "has no settings to tune"),
        (["bench", "--quick", "--full"], 2, "--quick and --full exclude each other"),
        (["bench", "--load", "nightly"], 2, "--load nightly: no scenario has such a load; there are latency-1000, "),
        (["bench", "--nonsense"], 2, "--nonsense"),
        (["report", "."], 2, "run.json"),
        (["bench", "--resume", "--out", "/nonexistent"], 3, "holds no run"),
    ],
)
def test_wrong_use_is_one_clear_line_and_a_status(meshproof: Run, arguments: list[str], status: int, words: str) -> None:
    done = meshproof(*arguments)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_case_that_is_kept_is_looked_at_and_taken_down(meshproof: Run) -> None:
    case = Path(__file__).parents[3] / "scenarios" / "conformance" / "policy" / "np-self"
    kept = meshproof("conform", case, "--dataplane", "nftables", "--keep")
    assert kept.returncode == 0, kept.stderr
    name = next(line for line in kept.stdout.splitlines() if line.startswith("lab ")).split()[1]
    seen = meshproof("exec", "--lab", name, "shop/api", "--", "ip", "-j", "address", "show", "eth0")
    assert json.loads(seen.stdout)[0]["ifname"] == "eth0"
    down = meshproof("down", "--lab", name)
    assert down.returncode == 0, down.stderr
    assert not Path("/run/meshproof", name).exists()
