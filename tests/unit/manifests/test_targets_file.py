"""Targets are read as written, and refused where they cannot be judged."""

from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.targets import load_targets
from harness.model.origin import Origin
from harness.model.target import Target

TARGET = "  - {{id: {id}, text: T., scenario: s, load: l, metric: m, dataplane: a, against: b, {bound}, equal: true}}\n"


def written(folder: Path, *rows: str) -> Path:
    file = folder / "targets.yaml"
    file.write_text("targets:\n" + "".join(rows))
    return file


def test_both_directions_reach_the_model_with_their_lines(tmp_path: Path) -> None:
    file = written(tmp_path, TARGET.format(id="x", bound="atMost: 1.05"), TARGET.format(id="z", bound="atLeast: 2"))
    assert load_targets(file) == [
        Target("x", "T.", Origin(str(file), 2), "s", "l", "m", "a", "b", "at most", 1.05, True),
        Target("z", "T.", Origin(str(file), 3), "s", "l", "m", "a", "b", "at least", 2.0, True),
    ]


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ("atMost: 1, atLeast: 2", "targets[0]: want exactly one of atMost and atLeast"),
        ("at_most: 1", 'targets[0]: unknown field "at_most" (did you mean "atMost"?)'),
        ("atMost: 0", "targets[0].atMost: want more than 0, found the number 0"),
        ("atMost: .inf", "targets[0].atMost: want a finite number, found the number inf"),
        ("atMost: true", "targets[0].atMost: want a number, found the boolean true"),
    ],
)
def test_a_target_without_one_usable_bound_is_refused(tmp_path: Path, bound: str, message: str) -> None:
    file = written(tmp_path, TARGET.format(id="x", bound=bound))
    with pytest.raises(ManifestError) as refused:
        load_targets(file)
    assert str(refused.value) == f"{file}:2: {message}"


def test_equality_is_unsaid_against_the_control(tmp_path: Path) -> None:
    (target,) = load_targets(written(tmp_path, TARGET.format(id="x", bound="atMost: 1").replace(", equal: true", "")))
    assert target.equal is None


def test_an_id_used_twice_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, *[TARGET.format(id="x", bound="atMost: 1")] * 2)
    with pytest.raises(ManifestError, match=r'targets\.yaml:3: targets\[1\]\.id: "x" is used twice; rename one$'):
        load_targets(file)


def test_the_other_figure_may_be_of_another_scenario_and_load(tmp_path: Path) -> None:
    row = TARGET.format(id="x", bound="atMost: 1.15, againstScenario: one, againstLoad: rest").replace(
        "against: b", "against: a"
    )
    (target,) = load_targets(written(tmp_path, row))
    assert (target.dataplane, target.against, target.against_scenario, target.against_load) == ("a", "a", "one", "rest")


@pytest.mark.parametrize("same", ["", ", againstScenario: s", ", againstLoad: l", ", againstScenario: s, againstLoad: l"])
def test_a_figure_against_itself_is_refused(tmp_path: Path, same: str) -> None:
    file = written(tmp_path, TARGET.format(id="x", bound=f"atMost: 1{same}").replace("against: b", "against: a"))
    with pytest.raises(ManifestError) as refused:
        load_targets(file)
    what = "the data plane itself; write another, or againstScenario or againstLoad beside it"
    assert str(refused.value) == f"{file}:2: targets[0].against: {what}"
