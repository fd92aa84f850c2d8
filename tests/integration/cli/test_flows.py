"""``flows`` as a user runs it: on a lab that is up, while it goes on, and where there is nothing to show."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import MESHPROOF, Run, machine_state

SECONDS = 20.0
POLICY = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: public, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: server}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: client}}]
      toPorts:
        - ports: [{port: "8080", protocol: TCP}]
          rules: {http: [{method: GET, path: /name}]}
"""
ASK = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], 8080, timeout=5)
for target in sys.argv[2:]:
    connection.request("GET", target)
    answer = connection.getresponse()
    answer.read()
    print(answer.status)
"""


@pytest.fixture
def server(scenario: Path, meshproof: Run) -> Iterator[tuple[str, str]]:
    """The name of a lab with flow events, and the address of shop/server."""
    (scenario.parent / "policy.yaml").write_text(POLICY)
    scenario.write_text(scenario.read_text() + "apply: [policy.yaml]\n")
    up = meshproof("up", scenario, "--dataplane", "ebpf-l7@flows=true")
    assert up.returncode == 0, up.stderr
    name = up.stdout.split()[1].rstrip(":")
    address = next(line.split()[-2] for line in up.stdout.splitlines() if "shop/server" in line)
    yield name, address
    meshproof("down", "--lab", name)


def asked(meshproof: Run, lab: str, address: str, *targets: str) -> list[str]:
    done = meshproof("exec", "--lab", lab, "shop/client", "--", "/usr/bin/python3", "-c", ASK, address, *targets)
    assert done.returncode == 0, done.stderr
    return list(done.stdout.split())


def shown(meshproof: Run, lab: str, mark: str) -> list[dict[str, Any]]:
    """The lines, once a request for ``mark`` is among them."""
    deadline = time.monotonic() + SECONDS
    while True:
        done = meshproof("flows", lab, "--json")
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        if any(each["flow"]["l7"]["http"]["url"] == mark for each in found):
            return found
        assert time.monotonic() < deadline, done.stdout


def test_requests_of_a_lab_that_is_up_are_shown_once_each(server: tuple[str, str], meshproof: Run) -> None:
    lab, address = server
    assert asked(meshproof, lab, address, "/name", "/secret", "/name", "/end") == ["200", "403", "200", "403"]
    found = [
        (each["flow"]["l7"]["http"]["url"], each["flow"]["verdict"], each["flow"]["destination"], each["flow"]["node_name"])
        for each in shown(meshproof, lab, "/end")
    ]
    pod = {"namespace": "shop", "pod_name": "server"}
    assert found == [
        (url, verdict, pod, "n2")
        for url, verdict in (("/name", "FORWARDED"), ("/secret", "DROPPED"), ("/name", "FORWARDED"), ("/end", "DROPPED"))
    ]
    people = meshproof("flows", lab).stdout.splitlines()
    assert "shop/client:" in people[1]
    assert "GET /secret DROPPED 403" in people[1]
    assert "policy.yaml:" in people[1]


def test_following_shows_what_comes_and_ends_with_the_lab(server: tuple[str, str], meshproof: Run) -> None:
    lab, address = server
    asked(meshproof, lab, address, "/name")
    with subprocess.Popen([MESHPROOF, "flows", lab, "--follow", "--json"], stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["flow"]["l7"]["http"]["url"] == "/name"
        asked(meshproof, lab, address, "/later")
        assert json.loads(following.stdout.readline())["flow"]["l7"]["http"]["url"] == "/later"
        assert meshproof("down", "--lab", lab).returncode == 0
        assert following.stdout.read() == ""
        assert following.wait(SECONDS) == 0


def test_nothing_of_flow_events_is_left(scenario: Path, meshproof: Run) -> None:
    up = meshproof("up", scenario, "--dataplane", "ebpf-l7@flows=true")
    assert up.returncode == 0, up.stderr
    lab = up.stdout.split()[1].rstrip(":")
    assert Path("/run/meshproof", lab, "files", "flows").is_dir()
    assert meshproof("down", "--lab", lab).returncode == 0
    assert not [each for each in machine_state()["folders"] if lab in each]


def test_a_lab_without_flow_events_says_how_to_have_them(scenario: Path, meshproof: Run) -> None:
    nobody = meshproof("flows", "nosuchlab")
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert "no lab called nosuchlab is up" in nobody.stderr
    up = meshproof("up", scenario, "--dataplane", "plain")
    name = up.stdout.split()[1].rstrip(":")
    done = meshproof("flows", name)
    meshproof("down", "--lab", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--dataplane ebpf-l7@flows=true" in done.stderr
