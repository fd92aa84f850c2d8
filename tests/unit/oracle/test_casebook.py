"""Candidates for generated cases mean to manifests what they meant to the generator."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import yaml

from harness.manifests.case import load_cases
from harness.manifests.place import SCENARIOS
from harness.manifests.topology import load_topology
from harness.model.origin import Origin
from harness.oracle import casebook, casebook_values

TOPOLOGY = SCENARIOS / "topologies" / "mesh.yaml"


@pytest.fixture(scope="module")
def made() -> list[casebook.GeneratedCase]:
    return casebook.cases()


def _placeless(value: object) -> object:
    """A value without the lines of its parts, by which alone the generator's reading may differ."""
    if is_dataclass(value):
        kept = {each.name: getattr(value, each.name) for each in fields(value)}
        return type(value).__name__, {name: _placeless(part) for name, part in kept.items() if not isinstance(part, Origin)}
    if isinstance(value, Mapping):
        return {name: _placeless(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_placeless(part) for part in value]
    return value


def test_writing_replaces_generated_cases_and_leaves_hand_written_ones(
    tmp_path: Path, made: list[casebook.GeneratedCase]
) -> None:
    stale, own = tmp_path / "policy" / "gen-stale-001", tmp_path / "policy" / "by-hand"
    for folder in (stale, own):
        folder.mkdir(parents=True)
        (folder / "scenario.yaml").write_text("title: a case\n")
    count = casebook.write(tmp_path, made[:3])
    assert not stale.exists()
    assert own.exists()
    assert len(list((tmp_path / "policy").glob("gen-*/scenario.yaml"))) == count == 3


def test_no_two_cases_apply_the_same_policies(made: list[casebook.GeneratedCase]) -> None:
    specs = [
        yaml.safe_dump([{**each, "metadata": each["metadata"].get("namespace")} for each in yaml.safe_load_all(text)])
        for text in (case.files["policy.yaml"] for case in made)
    ]
    assert len(set(specs)) == len(specs)


def test_manifests_read_each_policy_as_the_generator_did(made: list[casebook.GeneratedCase], tmp_path: Path) -> None:
    casebook.write(tmp_path, made)
    loaded = {case.name: case for case in load_cases([tmp_path])}
    for case in made:
        (step,) = loaded[case.name].steps
        mine = [casebook_values.policy(each) for each in yaml.safe_load_all(case.files["policy.yaml"])]
        assert _placeless(mine) == _placeless(step.policies), case.name


def test_manifests_read_the_topology_as_the_generator_did() -> None:
    assert casebook_values.topology("mesh", yaml.safe_load(TOPOLOGY.read_text())) == load_topology(TOPOLOGY)
