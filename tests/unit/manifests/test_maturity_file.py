"""The features of the maturity matrix are read strictly, and the shipped ones are shown by cases that there are."""

from pathlib import Path

import pytest

from harness.campaign.conformance.maturity import check_needs
from harness.judge.maturity import unmatched
from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError
from harness.manifests.maturity import load_maturity
from harness.model.maturity import MaturityFeature
from harness.model.origin import Origin

OURS = ("kafka", "gateways")
ASKED = (
    "routing", "weights", "retries", "timeouts", "circuit breaking", "outlier ejection", "fault injection", "mirror",
    "rate limit", "header changes", "jwt", "external authorisation", "grpc", "websocket", "mtls identity",
)  # fmt: skip


def written(folder: Path, text: str) -> Path:
    file = folder / "maturity.yaml"
    file.write_text(text)
    return file


def test_cases_reasons_needs_and_notes_reach_the_model(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "features:\n  - {feature: A, cases: ['l7/a-*', l7/b], needs: encryption, note: N.}\n  - {feature: B, reason: R.}\n",
    )
    assert load_maturity(file) == [
        MaturityFeature(Origin(str(file), 2), "A", ("l7/a-*", "l7/b"), None, "encryption", "N."),
        MaturityFeature(Origin(str(file), 3), "B", (), "R."),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{feature: A}", "features[0]: want exactly one of cases and reason"),
        ("{feature: A, cases: [l7/a], reason: R.}", "features[0]: want exactly one of cases and reason"),
        ("{feature: A, reason: R., needs: encryption}",
         "features[0].needs: nothing is needed where there are no cases; remove it"),
        ("{feature: A, cases: []}", "features[0].cases: empty; write at least one"),
        ("{feature: A, cases: [l7/a, l7/a]}", 'features[0].cases[1]: "l7/a" is listed twice; remove one'),
        ("{feature: A, case: [l7/a]}", 'features[0]: unknown field "case" (did you mean "cases"?)'),
        ("{feature: '', reason: R.}", "features[0].feature: empty; write something"),
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused(tmp_path: Path, row: str, message: str) -> None:
    file = written(tmp_path, f"features:\n  - {row}\n")
    with pytest.raises(ManifestError) as refused:
        load_maturity(file)
    assert message in [str(fault).removeprefix(f"{file}:2: ") for fault in refused.value.faults]


@pytest.mark.parametrize("name", ["weight-zero", "/weight", "routing/", "routing/a/b", "routing/we ight"])
def test_what_is_no_name_of_a_case_is_refused(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, f"features:\n  - {{feature: A, cases: ['{name}']}}\n")
    with pytest.raises(ManifestError, match=r"features\[0\]\.cases\[0\]"):
        load_maturity(file)


def test_a_feature_twice_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "features:\n  - {feature: A, reason: R.}\n  - {feature: A, reason: S.}\n")
    with pytest.raises(ManifestError) as refused:
        load_maturity(file)
    assert str(refused.value) == f'{file}:3: features[1].feature: "A" is listed twice; rename or remove one'


def test_a_need_that_no_plane_can_be_asked_for_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "features:\n  - {feature: A, cases: [l7/a], needs: encryptoin}\n")
    with pytest.raises(ManifestError) as refused:
        check_needs(load_maturity(file))
    assert str(refused.value) == f'{file}:2: needs: no feature is called "encryptoin" (did you mean "encryption"?)'


def test_every_feature_that_was_asked_for_has_a_row() -> None:
    features = load_maturity()
    check_needs(features)
    names = [feature.name.lower() for feature in features]
    assert [asked for asked in ASKED if not any(asked in name for name in names)] == []
    assert len(names) == len(ASKED) + len(OURS)


def test_every_case_of_the_shipped_matrix_is_there() -> None:
    assert list(unmatched(load_maturity(), [case.id for case in load_cases()])) == []
