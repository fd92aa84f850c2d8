from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.expectations import load_expectations
from harness.model.case import CaseOutcome

ENTRY = "  - {case: policy/x, dataplane: ebpf, outcome: fail, reason: fragments are let through}\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "expectations.yaml"
    file.write_text(text)
    return file


def test_entries_know_their_lines(tmp_path: Path) -> None:
    (entry,) = load_expectations(written(tmp_path, "outcomes:\n" + ENTRY))
    assert (entry.case, entry.dataplane, entry.outcome) == ("policy/x", "ebpf", CaseOutcome.FAIL)
    assert entry.origin.line == 2


def test_a_file_may_expect_nothing_but_passes(tmp_path: Path) -> None:
    assert load_expectations(written(tmp_path, "outcomes: []\n")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("outcomes:\n" + ENTRY + ENTRY, ":3: policy/x on ebpf is listed already"),
        ("outcomes:\n" + ENTRY.replace("fail,", "pass,"), "outcome: want "),
        ("outcomes:\n" + ENTRY.replace(", reason: fragments are let through", ""), "reason: missing"),
        ("[]\n", "want a mapping"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        load_expectations(written(tmp_path, text))
