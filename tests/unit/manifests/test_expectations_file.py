from pathlib import Path

import pytest

from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError
from harness.manifests.expectations import expectations_for, load_expectations
from harness.model.case import CaseOutcome

PLANES = ("ebpf", "nftables")
ENTRY = "  - {case: policy/x, dataplane: ebpf, outcome: fail, reason: fragments are let through}\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "expectations.yaml"
    file.write_text(text)
    return file


def test_entries_know_their_lines(tmp_path: Path) -> None:
    (entry,) = load_expectations(written(tmp_path, "outcomes:\n" + ENTRY))
    assert (entry.case, entry.dataplane, entry.outcome) == ("policy/x", "ebpf", CaseOutcome.FAIL)
    assert entry.origin.line == 2


def test_an_entry_may_name_several_data_planes(tmp_path: Path) -> None:
    entries = load_expectations(written(tmp_path, "outcomes:\n" + ENTRY.replace("ebpf,", "[ebpf, nftables],")))
    assert [(each.dataplane, each.origin.line) for each in entries] == [("ebpf", 2), ("nftables", 2)]


def test_a_file_may_expect_nothing_but_passes(tmp_path: Path) -> None:
    assert load_expectations(written(tmp_path, "outcomes: []\n")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("outcomes:\n" + ENTRY + ENTRY, ":3: policy/x on ebpf is listed already"),
        ("outcomes:\n" + ENTRY.replace("ebpf,", "[ebpf, ebpf],"), ":2: policy/x on ebpf is listed already"),
        ("outcomes:\n" + ENTRY.replace("ebpf,", "[],"), "dataplane: empty"),
        ("outcomes:\n" + ENTRY.replace("ebpf,", "3,"), "dataplane: want a list, found the number 3"),
        ("outcomes:\n" + ENTRY.replace("fail,", "pass,"), "outcome: want "),
        ("outcomes:\n" + ENTRY.replace(", reason: fragments are let through", ""), "reason: missing"),
        ("[]\n", "want a mapping"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        load_expectations(written(tmp_path, text))


@pytest.fixture
def conformance(tmp_path: Path) -> Path:
    """A folder with two cases and what is expected of them, one entry of which names no case."""
    (tmp_path / "topology.yaml").write_text("nodes: [n1]\nnamespaces: {a: {}}\npods:\n  - {name: p, namespace: a, node: n1}\n")
    for name in ("x", "y"):
        folder = tmp_path / "conformance" / "policy" / name
        folder.mkdir(parents=True)
        expect = "expect: {flows: [{from: a/p, to: a/p, port: 8080, verdict: forwarded}]}"
        (folder / "scenario.yaml").write_text(f"title: t\nwhy: w\ntopology: ../../../topology.yaml\n{expect}\n")
    written(tmp_path / "conformance", "outcomes:\n" + ENTRY + ENTRY.replace("policy/x", "policy/xx"))
    return tmp_path / "conformance"


@pytest.mark.parametrize("named", ["conformance", "."])
def test_an_entry_that_names_no_case_is_refused_where_all_cases_are_loaded(conformance: Path, named: str) -> None:
    paths = [conformance.parent / named]
    said = r'expectations.yaml:3: no case "policy/xx" in .*conformance \(did you mean "policy/x"\?\); remove the entry'
    with pytest.raises(ManifestError, match=said):
        expectations_for(load_cases(paths), PLANES, conformance / "expectations.yaml", paths)


def test_where_some_cases_are_loaded_entries_of_others_are_passed_over(conformance: Path) -> None:
    for name, entries in (("x", ["policy/x"]), ("y", [])):
        paths = [conformance / "policy" / name]
        found = expectations_for(load_cases(paths), PLANES, conformance / "expectations.yaml", paths)
        assert [entry.case for entry in found] == entries


def test_an_entry_that_names_no_data_plane_is_refused_with_the_nearest(conformance: Path) -> None:
    written(conformance, "outcomes:\n" + ENTRY + ENTRY.replace("ebpf,", "ebfp,"))
    paths = [conformance / "policy" / "x"]
    with pytest.raises(ManifestError, match=r'expectations.yaml:3: no data plane is called "ebfp" \(did you mean "ebpf"\?\)'):
        expectations_for(load_cases(paths), PLANES, conformance / "expectations.yaml", paths)


def test_an_entry_may_be_about_a_data_plane_with_settings(conformance: Path) -> None:
    written(conformance, "outcomes:\n" + ENTRY.replace("ebpf,", "ebpf@x=1,"))
    paths = [conformance / "policy" / "x"]
    assert len(expectations_for(load_cases(paths), PLANES, conformance / "expectations.yaml", paths)) == 1
