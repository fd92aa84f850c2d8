"""Time and memory of BPF programs whose runs and maps the test decides on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.dataplanes.port import Component
from harness.lab.build import bpf_object
from harness.lab.port import Lab
from harness.mesh.objects import BpfObject, load
from harness.meters import bpf_memory, bpf_time
from harness.meters.port import Meter, MeterError, Subject
from harness.model.result import Metric
from harness.traffic.port import LoadResult

FRAME = bytes(64)
MAP_BYTES = 8 << 16
SOURCE = f"""
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct {{
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, {MAP_BYTES // 8});
	__type(key, __u32);
	__type(value, __u64);
}} counted SEC(".maps");

static int count(__u32 key)
{{
	__u64 *value = bpf_map_lookup_elem(&counted, &key);

	if (value)
		*value += 1;
	return 0;
}}

SEC("tc") int first(struct __sk_buff *skb) {{ return count(1); }}
SEC("tc") int second(struct __sk_buff *skb) {{ return count(2); }}
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BpfObject]:
    source = tmp_path_factory.mktemp("bpf") / "counted.bpf.c"
    source.write_text(SOURCE)
    found = load(bpf_object(source))
    yield found
    found.close()


@pytest.fixture
def subject(pair_lab: Lab, loaded: BpfObject) -> Subject:
    datapath = Component("datapath", programs=tuple(program.id for program in loaded.programs.values()))
    return Subject(pair_lab, pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), (datapath,))


def read(
    meter: Meter, subject: Subject, loaded: BpfObject, runs: dict[str, int], count: int = 1000
) -> dict[tuple[str, str], Metric]:
    reading = meter.open(subject)
    try:
        reading.begin()
        for name, times in runs.items():
            loaded.programs[name].test_run(FRAME, repeat=times)
        reading.end()
        loaded.programs["first"].test_run(FRAME, repeat=100)  # after the end: counts for nothing
        return {(m.name, m.component): m for m in reading.metrics(LoadResult(1000, 0, 1.0))}
    finally:
        reading.close()


def test_runs_are_counted_exactly_and_each_has_its_time(subject: Subject, loaded: BpfObject) -> None:
    found = read(bpf_time.METERS[0], subject, loaded, {"first": 3000, "second": 500})
    assert found["bpf_runs", "first"].value == 3
    assert found["bpf_runs", "second"].value == 0.5
    first, second = found["bpf_run_time", "first"], found["bpf_run_time", "second"]
    assert first.unit == "s"
    assert first.value > 0
    whole = found["bpf_time_per_request", ""].value
    assert whole == pytest.approx(3 * first.value + 0.5 * second.value)


def test_a_program_that_did_not_run_has_no_time_for_each_run(subject: Subject, loaded: BpfObject) -> None:
    found = read(bpf_time.METERS[0], subject, loaded, {"first": 10})
    assert found["bpf_runs", "second"].value == 0
    assert ("bpf_run_time", "second") not in found


def test_a_plane_without_programs_gives_no_time_and_no_memory(pair_lab: Lab, loaded: BpfObject) -> None:
    plain = Subject(pair_lab, pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), ())
    assert read(bpf_time.METERS[0], plain, loaded, {"first": 10}) == {}
    assert read(bpf_memory.METERS[0], plain, loaded, {})["bpf_memory", ""].value == 0


def test_a_map_that_two_programs_use_is_counted_once(subject: Subject, loaded: BpfObject) -> None:
    found = read(bpf_memory.METERS[0], subject, loaded, {})
    assert MAP_BYTES <= found["bpf_memory", "maps"].value < 1.5 * MAP_BYTES
    assert 0 < found["bpf_memory", "programs"].value < MAP_BYTES
    assert found["bpf_memory", ""].value == found["bpf_memory", "maps"].value + found["bpf_memory", "programs"].value


@pytest.mark.parametrize("meter", [*bpf_time.METERS, *bpf_memory.METERS])
def test_a_program_that_is_gone_is_named(meter: Meter, subject: Subject) -> None:
    gone = Subject(subject.lab, subject.client, subject.server, (Component("datapath", programs=(2**31,)),))
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(MeterError, match="BPF program 2147483648: No such file"):
        meter.open(gone)
    assert len(set(Path("/proc/self/fd").iterdir())) == len(before)
