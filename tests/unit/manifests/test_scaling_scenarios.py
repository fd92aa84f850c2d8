"""Scaling scenarios: what the shipped ones are, and how what is wrong with one is said."""

from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.scaling import load_scaling
from harness.model.scaling import Measured, Varied

PODS = """\
title: t
why: w
vary: pods
points: [2, 10, 20]
dataplanes: [sidecar]
clusters: 10
measure: [memory]
"""


def refused(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(ManifestError) as caught:
        load_scaling([file])
    return [str(fault).removeprefix(f"{tmp_path}/") for fault in caught.value.faults]


def test_a_scenario_is_read_as_it_is_written(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text(PODS + "blocks: 4\nquick: [2, 4]\n")
    (scenario,) = load_scaling([tmp_path])
    assert (scenario.name, scenario.vary, scenario.clusters, scenario.blocks) == ("mine", Varied.PODS, 10, 4)
    assert scenario.points == (2, 10, 20)
    assert scenario.quick_points == (2, 4)
    assert scenario.measure == (Measured.MEMORY,)
    assert scenario.origin.file == str(file)


def test_the_shipped_scenarios_cover_what_is_promised():
    shipped = load_scaling()
    varied = {(each.vary, measured) for each in shipped for measured in each.measure}
    assert {measured for _, measured in varied} == set(Measured)
    sidecars = {each.clusters for each in shipped if "sidecar" in each.dataplanes and Measured.MEMORY in each.measure}
    assert sidecars == {10, 100, 1000}
    entries = [each for each in shipped if each.vary is Varied.POLICY_ENTRIES]
    assert max(max(each.points) for each in entries) == 500_000
    assert min(min(each.points) for each in entries) == 10
    assert any(each.quick_points for each in shipped)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("clusters: 10", "cluster: 10"), 'a.yaml:6: unknown field "cluster" (did you mean "clusters"?)'),
        (
            ("clusters: 10", "clusters: 11"),
            "a.yaml:6: clusters: odd, but each Service is two: one of IPv4, one of IPv6; write an even number",
        ),
        (("clusters: 10", 'clusters: "10"'), 'a.yaml:6: clusters: want an integer, found the string "10"'),
        (
            ("vary: pods", "vary: pod"),
            'a.yaml:3: vary: want pods, policy-entries or dataplane, found the string "pod" (did you mean "pods"?)',
        ),
        (("[2, 10, 20]", "[2, 10]"), "a.yaml:4: points: want at least 3: two always lie on a line; write more"),
        (("[2, 10, 20]", "[2, 20, 10]"), "a.yaml:4: points: not ascending; sort them, each once"),
        (("[2, 10, 20]", "[2, 10, 10]"), "a.yaml:4: points: not ascending; sort them, each once"),
        (("[2, 10, 20]", "[1, 10, 20]"), "a.yaml:4: points[0]: want 2 to 200 pods, found 1"),
        (
            ("[memory]", "[packet]"),
            "a.yaml:7: measure[0]: packet is not measured by pods; there are memory, idle-cpu, start-up, policy-change",
        ),
        (("[memory]", "[memory, memory]"), "a.yaml:7: measure[1]: named twice; remove one"),
        (("[sidecar]", "[sidecar, sidecar]"), "a.yaml:5: dataplanes[1]: named twice; remove one"),
        (("[sidecar]", "[]"), "a.yaml:5: dataplanes: empty; write at least one"),
        (("title: t\n", ""), "a.yaml:1: title: missing; write it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, change: tuple[str, str], said: str):
    assert refused(tmp_path, PODS.replace(*change)) == [said]


def test_fewer_blocks_than_three_are_refused_as_they_give_no_interval(tmp_path: Path):
    assert refused(tmp_path, PODS + "blocks: 2\n") == ["a.yaml:8: blocks: want at least 3, found the number 2"]


def test_entries_are_those_of_planes_that_have_a_table_of_them(tmp_path: Path):
    text = PODS.replace("vary: pods", "vary: policy-entries").replace("clusters: 10\n", "")
    assert refused(tmp_path, text) == [
        "a.yaml:5: dataplanes[0]: sidecar has no table of policy entries of its own; there are ebpf, nftables"
    ]


def test_requests_under_policies_are_asked_of_any_plane_up_to_as_many_ports_as_there_are(tmp_path: Path):
    text = PODS.replace("vary: pods", "vary: policy-entries").replace("clusters: 10\n", "")
    (tmp_path / "good.yaml").write_text(text.replace("[memory]", "[requests]"))
    assert load_scaling([tmp_path / "good.yaml"])[0].dataplanes == ("sidecar",)
    assert refused(tmp_path, text.replace("[memory]", "[requests]").replace("20]", "60000]")) == [
        "a.yaml:4: points: a policy has at most 50000 ports for requests to meet; write fewer"
    ]
    assert refused(tmp_path, text.replace("[memory]", "[memory, requests]")) == [
        "a.yaml:6: measure: requests are judged by policies that a data plane is given, packets by tables alone; "
        "make it two scenarios"
    ]


def test_compared_data_planes_have_no_points_and_are_two(tmp_path: Path):
    text = PODS.replace("vary: pods", "vary: dataplane").replace("[memory]", "[requests]").replace("clusters: 10\n", "")
    assert refused(tmp_path, text) == [
        "a.yaml:4: points: nothing grows where data planes are compared; remove it",
        "a.yaml:5: dataplanes: nothing to compare with; name another",
    ]


def test_two_scenarios_of_one_file_name_are_refused(tmp_path: Path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.yaml").write_text(PODS)
    with pytest.raises(ManifestError, match="a scenario of this file name is"):
        load_scaling([tmp_path / "one", tmp_path / "two"])
