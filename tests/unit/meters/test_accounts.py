"""CPU and memory by component, on folders that look like cgroups."""

import mmap
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.dataplanes.port import Component
from harness.meters import memory, registered
from harness.meters.ledger import cgroups, plane_cgroups
from harness.meters.port import Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult


@dataclass
class FolderPlace:
    """A place whose cgroups are plain folders."""

    cgroup: Path

    def component_cgroup(self, component: str) -> Path:
        folder = self.cgroup / component
        if not folder.exists():
            folder.mkdir(parents=True)
            spend(folder, 0, 0)
        return folder


@dataclass
class FolderLab:
    nodes: list[FolderPlace] = field(default_factory=list)


def spend(cgroup: Path, user: int, system: int) -> None:
    (cgroup / "cpu.stat").write_text(f"usage_usec {user + system}\nuser_usec {user}\nsystem_usec {system}\nnr_periods 0\n")
    (cgroup / "cgroup.procs").write_text("")


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    client, server, other = (FolderPlace(tmp_path / "n1" / name) for name in ("client", "server", "other"))
    nodes = [FolderPlace(tmp_path / "n1"), FolderPlace(tmp_path / "n2")]
    places: list[Any] = [client, server, other]
    components = [Component("proxy", place) for place in places] + [Component("agent", node) for node in nodes]  # type: ignore[arg-type] # folders
    return Subject(FolderLab(nodes), client, server, [*components, Component("datapath", programs=(7,))])  # type: ignore[arg-type] # folders


def test_components_are_named_by_whose_pod_they_are_in_and_those_of_nodes_are_one(subject: Subject, tmp_path: Path) -> None:
    found = plane_cgroups(subject)
    assert set(found) == {"client-proxy", "server-proxy", "other-proxy", "agent"}
    assert found["server-proxy"] == [tmp_path / "n1" / "server" / "proxy"]
    assert found["agent"] == [tmp_path / "n1" / "agent", tmp_path / "n2" / "agent"]
    assert set(cgroups(subject)) == {"client", "server", *found}


def read_cpu(name: str, subject: Subject, count: int) -> dict[tuple[str, str], Metric]:
    reading = registered()[name].open(subject)
    for folders in cgroups(subject).values():
        for folder in folders:
            spend(folder, 1_000_000, 1_000_000)  # before the load: counts for nothing
    reading.begin()
    spend(cgroups(subject)["client"][0], 1_010_000, 1_030_000)
    for folder in cgroups(subject)["agent"]:
        spend(folder, 1_000_000, 1_001_000)
    reading.end()
    return {(m.name, m.component): m for m in reading.metrics(LoadResult(count, 0, 1.0))}


def test_cpu_is_what_was_spent_between_begin_and_end_for_each_request(subject: Subject) -> None:
    found = read_cpu("cpu", subject, 1000)
    assert found["cpu_per_request", "client"].value == pytest.approx(40e-6)
    assert found["cpu_user_per_request", "client"].value == pytest.approx(10e-6)
    assert found["cpu_system_per_request", "client"].value == pytest.approx(30e-6)
    assert found["cpu_per_request", "agent"].value == pytest.approx(2e-6)
    assert found["cpu_per_request", "server"].value == 0
    assert found["cpu_per_request", ""].value == pytest.approx(42e-6)


def test_cpu_of_bulk_is_for_each_gigabyte(subject: Subject) -> None:
    assert read_cpu("cpu-bulk", subject, 500_000_000)["cpu_per_gigabyte", ""].value == pytest.approx(84e-3)


def test_a_load_that_did_nothing_has_no_cost_for_each_request(subject: Subject) -> None:
    assert read_cpu("cpu", subject, 0) == {}


def test_memory_is_the_data_planes_and_not_that_of_client_and_server(subject: Subject) -> None:
    for label in ("client", "client-proxy"):
        (cgroups(subject)[label][0] / "cgroup.procs").write_text(f"{os.getpid()}\n")
    reading = memory.METERS[0].open(subject)
    reading.begin()
    reading.end()
    found = {metric.component: metric.value for metric in reading.metrics(LoadResult(1, 0, 1.0))}
    assert set(found) == {"client-proxy", "server-proxy", "other-proxy", "agent", ""}
    assert found["client-proxy"] == found[""] > 0
    assert found["agent"] == 0


def test_a_page_that_is_touched_counts_and_a_process_that_is_gone_does_not() -> None:
    before = memory.pss(os.getpid())
    with mmap.mmap(-1, 64 << 20) as region:
        for page in range(0, len(region), mmap.PAGESIZE):
            region[page] = 1
        grown = memory.pss(os.getpid()) - before
    assert grown >= 60 << 20
    assert memory.pss(1 << 30) == 0


def test_every_meter_has_a_name_of_its_own_and_kinds_that_exist() -> None:
    meters = registered()
    assert {"latency", "cpu", "memory", "events"} <= set(meters)
    for meter in meters.values():
        assert meter.kinds
        assert meter.kinds <= {kind.value for kind in LoadKind}
