"""Claims and classes of workload are read as written, and refused by their line where they could not be judged."""

from pathlib import Path

import pytest

from harness.manifests.claims import load_claims
from harness.manifests.errors import ManifestError
from harness.manifests.workloads import load_workloads
from harness.model.claim import Bound, Cases, Column, Ratio, Unasked

HEAD = "subjects:\n  - {dataplane: ebpf, subject: ours}\n  - {dataplane: sidecar, subject: theirs}\nlacks: []\nclaims:\n"
RATIO = "{condition: C, ratio: {scenario: s, loads: [a, b], metrics: [m], dataplane: ebpf, against: sidecar}, atMost: 1}"
CLAIM = "  - {{id: X-1, claim: C., source: us, {sides}}}\n"


def ledger(folder: Path, *claims: str) -> Path:
    file = folder / "claims.yaml"
    file.write_text(HEAD + "".join(claims))
    return file


def refused(file: Path) -> list[str]:
    with pytest.raises(ManifestError) as found:
        load_claims(file)
    return [str(fault).removeprefix(f"{file}:") for fault in found.value.faults]


def test_both_is_both_columns_and_each_load_an_endpoint(tmp_path: Path) -> None:
    (claim,) = load_claims(ledger(tmp_path, CLAIM.format(sides=f"both: {{endpoints: [{RATIO}]}}"))).claims
    assert claim.columns[Column.AS_SHIPPED] == claim.columns[Column.POSSIBLE]
    subjects = [each.subject for each in claim.columns[Column.POSSIBLE].endpoints]
    assert subjects == [Ratio("s", load, "m", "ebpf", "sidecar") for load in ("a", "b")]
    assert claim.columns[Column.POSSIBLE].endpoints[0].bound == Bound("at most", 1)


def test_columns_may_be_decided_apart_and_published_figures_not_compared(tmp_path: Path) -> None:
    sides = "asShipped: {notComparable: another cluster}, possible: {endpoints: [{condition: C, unasked: nobody asks}]}"
    (claim,) = load_claims(ledger(tmp_path, CLAIM.format(sides=sides))).claims
    assert claim.columns[Column.AS_SHIPPED].not_comparable == "another cluster"
    assert claim.columns[Column.POSSIBLE].endpoints[0].subject == Unasked("nobody asks")


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ("note: N.", "6: claims[0]: want both, or asShipped and possible"),
        (f"possible: {{endpoints: [{RATIO}]}}", "6: claims[0]: want both, or asShipped and possible"),
        ("both: {}", "6: claims[0].both: want exactly one of endpoints and notComparable"),
        ("both: {endpoints: []}", "6: claims[0].both.endpoints: empty; write at least one"),
        (f"both: {{endpoints: [{RATIO.replace(', atMost: 1', '')}]}}",
         "6: claims[0].both.endpoints[0]: want exactly one of atMost and atLeast beside ratio"),
        ("both: {endpoints: [{condition: C}]}",
         "6: claims[0].both.endpoints[0]: want exactly one of ratio, total, figure, cases, features, slope, growth, answers, "
         "unasked, found none"),
        ("both: {endpoints: [{condition: C, unasked: W, atMost: 1}]}",
         "6: claims[0].both.endpoints[0]: no bound goes with unasked; remove it"),
        (f"both: {{endpoints: [{RATIO.replace('against: sidecar', 'against: ebpf')}]}}",
         "6: claims[0].both.endpoints[0]: the data plane itself as against; write another"),
        (f"both: {{endpoints: [{RATIO.replace('against: sidecar', 'against: sidecars')}]}}",
         '6: X-1: nothing under subjects says what "sidecars" is (did you mean "sidecar"?)'),
        (f"both: {{endpoints: [{RATIO.replace('dataplane: ebpf, ', '')}]}}",
         "6: claims[0].both.endpoints[0]: no dataplane is named; write whose figure it is"),
    ],
)  # fmt: skip
def test_what_could_not_be_judged_is_refused(tmp_path: Path, sides: str, message: str) -> None:
    assert message in refused(ledger(tmp_path, CLAIM.format(sides=sides)))


def test_an_id_used_twice_is_refused(tmp_path: Path) -> None:
    row = CLAIM.format(sides=f"both: {{endpoints: [{RATIO}]}}")
    assert refused(ledger(tmp_path, row, row)) == ['7: claims[1].id: "X-1" is used twice; rename or remove one']


CLASS = (
    "classes:\n  - {{id: w, title: W, why: Y., rival: sidecar, asShipped: {{l4: ebpf, l7: node-proxy}}, "
    "possible: {{l4: ebpf-sockmap, l7: ebpf-l7}}, {needs}}}\n"
)
FIGURE = "{condition: C, ratio: {scenario: s, loads: [a], metrics: [m], against: sidecar}, atMost: 1}"


def workloads(folder: Path, needs: str) -> Path:
    file = folder / "workloads.yaml"
    file.write_text(CLASS.format(needs=needs))
    return file


def test_figures_are_the_candidate_s_of_each_column(tmp_path: Path) -> None:
    only = FIGURE.replace("condition: C", "condition: D, only: possible")
    (found,) = load_workloads(
        ["X-1"], workloads(tmp_path, f"l7: {{cases: ['l7/*'], claims: [X-1], figures: [{FIGURE}, {only}]}}")
    )
    assert found.l4 is None
    assert found.l7 is not None
    assert [each.subject for each in found.l7[Column.AS_SHIPPED].figures] == [Ratio("s", "a", "m", "node-proxy", "sidecar")]
    assert [each.condition for each in found.l7[Column.POSSIBLE].figures] == ["C", "D"]
    assert found.l7[Column.POSSIBLE].cases == ("l7/*",)


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        ("rank: 1", 'classes[0]: unknown field "rank"'),
        ("l4: {claims: [X-2]}", 'classes[0].l4.claims[0]: no claim is called "X-2" (did you mean "X-1"?)'),
        ("l4: {cases: [policy]}", "classes[0].l4.cases[0]: "),
    ],
)
def test_what_decides_nothing_is_refused(tmp_path: Path, needs: str, message: str) -> None:
    file = workloads(tmp_path, needs)
    with pytest.raises(ManifestError) as found:
        load_workloads(["X-1"], file)
    assert any(str(fault).startswith(f"{file}:2: {message}") for fault in found.value.faults)


def test_a_class_that_needs_nothing_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "workloads.yaml"
    file.write_text(CLASS.format(needs="").replace(", }", "}"))
    with pytest.raises(ManifestError, match="want l4, l7 or both: a class that needs nothing decides nothing"):
        load_workloads([], file)


def test_cases_are_all_of_them_unless_a_share_is_written(tmp_path: Path) -> None:
    rows = [
        "{condition: C, cases: {names: ['l7/*'], dataplane: ebpf}}",
        "{condition: C, cases: {names: ['l7/*'], dataplane: ebpf}, atLeast: 0.9}",
    ]
    (claim,) = load_claims(ledger(tmp_path, CLAIM.format(sides=f"both: {{endpoints: [{', '.join(rows)}]}}"))).claims
    endpoints = claim.columns[Column.POSSIBLE].endpoints
    assert [each.subject for each in endpoints] == [Cases(("l7/*",), "ebpf")] * 2
    assert [each.bound and each.bound.value for each in endpoints] == [1.0, 0.9]
