"""What attaching and detaching change, also when it fails."""

from pathlib import Path

import pytest
from sidecar_clients import PLANES, ask, line_server

from harness.dataplanes.port import DataPlaneError
from harness.envoy import process
from harness.lab.port import Lab, LabPod
from harness.model.flow import Verdict


def traces(lab: Lab) -> dict[str, object]:
    """All that sidecars could leave behind in a lab and on the machine."""
    found: dict[str, object] = {"memory": sorted(Path("/dev/shm").iterdir()), "files": sorted(lab.folder.iterdir())}  # noqa: S108
    for pod in lab.pods:
        rules = pod.run(["nft", "list", "ruleset"]).stdout
        loopback = pod.run(["ip", "-oneline", "address", "show", "dev", "lo"]).stdout
        running = pod.component_cgroup(process.COMPONENT).joinpath("cgroup.procs").read_text()
        found[pod.pod.ref] = (rules, loopback, running)
    return found


def test_detached_sidecars_leave_nothing(plane: str, pair_lab: Lab, server: LabPod) -> None:
    traces(pair_lab)  # makes the cgroups
    before = traces(pair_lab)
    with PLANES[plane].attach(pair_lab) as attachment:
        during = traces(pair_lab)
        pids = [pid for component in attachment.components() for pid in component.pids]
    assert len(pids) == len(pair_lab.pods)
    assert all(during[pod.pod.ref] != before[pod.pod.ref] for pod in pair_lab.pods)
    assert traces(pair_lab) == before
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert ask(pair_lab, "shop/client").verdict is Verdict.FORWARDED


def test_two_attachments_in_turn_do_not_meet(plane: str, pair_lab: Lab, server: LabPod) -> None:
    for _ in range(2):
        with PLANES[plane].attach(pair_lab):
            assert ask(pair_lab, "shop/client").verdict is Verdict.FORWARDED


def test_taken_port_is_named_with_pod_and_envoys_words(plane: str, pair_lab: Lab, server: LabPod) -> None:
    before = traces(pair_lab)
    with (
        line_server(server, 15006),
        pytest.raises(DataPlaneError, match=r"shop/server: Envoy refused version 0 .*cannot bind '0\.0\.0\.0:15006'"),
        PLANES[plane].attach(pair_lab),
    ):
        pytest.fail("attached although a port was taken")
    after = traces(pair_lab)
    assert {key: after[key] for key in before if key != "files"} == {key: before[key] for key in before if key != "files"}


def test_envoy_that_cannot_start_is_named_with_its_configuration(
    plane: str, pair_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {"admin": {"address": "nonsense"}}
    monkeypatch.setattr("harness.envoy.configuration.bootstrap_of", lambda *_: broken)
    with (
        pytest.raises(DataPlaneError, match=r"Envoy of pod shop/client \(.*bootstrap\.json\): ended with status 1.*nonsense"),
        PLANES[plane].attach(pair_lab),
    ):
        pytest.fail("attached although Envoy's configuration was nonsense")
