"""``mutation.md``: what a reader of a mutation run is told first, and what of each fault."""

from harness.model.fault import Fate, Fault, Mutant
from harness.model.origin import Origin
from harness.report.mutation import mutation_markdown

PORTS, MECHANICAL = Origin("faults/ports.yaml", 3), Origin("mechanical.yaml", 9)
FAULTS = [
    Fault(PORTS, "ports-short", "A range that ends | early.", "a.py", "a", "b", ("ebpf", "nftables")),
    Fault(PORTS, "ports-lost", "Ports are not looked at.", "a.py", "if x\n    and y:", "if x:", ("ebpf",)),
    Fault(
        MECHANICAL, "m-1", "a <= b || c", "b.h", "a < b", "a <= b", ("ebpf",), operator="relation", equivalent="Never equal."
    ),
    Fault(MECHANICAL, "m-2", "a - b", "b.h", "a + b", "a - b", ("ebpf",), operator="arithmetic"),
]
MUTANTS = [
    Mutant("ports-short", "ebpf", Fate.KILLED, "policy/np-end-port", "scenario.yaml:9: expected denied"),
    Mutant("ports-short", "nftables", Fate.KILLED, "policy/np-end-port"),
    Mutant("ports-lost", "ebpf", Fate.SURVIVED),
    Mutant("m-1", "ebpf", Fate.EQUIVALENT, reason="Never equal."),
    Mutant("m-2", "ebpf", Fate.INVALID, reason=f"case/scenario.yaml:2: the verifier refuses it: {'x' * 900}\nmore"),
]
PAGE = mutation_markdown(MUTANTS, FAULTS)


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_the_answer_comes_first_and_counts_no_invalid_mutant() -> None:
    answer = "**2 of 4 mutants killed**, 1 explained as equivalent, 1 survived. 1 more is invalid: no program came of them."
    assert PAGE.splitlines()[2] == answer


def test_a_survivor_is_shown_with_its_change_before_what_was_killed() -> None:
    assert PAGE.index("## Survived") < PAGE.index("## Killed")
    told = "**ports-lost** on ebpf: Ports are not looked at. In `a.py` `` if x and y: `` became `` if x: ``."
    assert told in section("Survived")


def test_equivalent_and_invalid_mutants_are_explained() -> None:
    assert "| m-1: `` a <= b \\|\\| c `` | ebpf | Never equal. |" in section("Equivalent")
    assert "| m-2: `` a - b `` | ebpf | the verifier refuses it: xxx" in section("Invalid")
    assert all(len(line) < 250 for line in section("Invalid").splitlines())


def test_counts_are_by_subject_data_plane_operator_and_source() -> None:
    rows = PAGE.splitlines()
    for row in (
        "| subject | killed | survived | equivalent | invalid |", "| ports | 2 | 1 |  |  |", "| mechanical |  |  | 1 | 1 |",
        "| nftables | 1 |  |  |  |", "| ebpf | 1 | 1 | 1 | 1 |", "| by hand | 2 | 1 |  |  |", "| relation |  |  | 1 |  |",
        "| `a.py` | 2 | 1 |  |  |",
    ):  # fmt: skip
        assert row in rows


def test_each_killed_mutant_names_its_case_and_each_case_its_kills() -> None:
    assert "| ports | ports-short: A range that ends \\| early. | nftables | `policy/np-end-port` |" in section("Killed")
    assert "| `policy/np-end-port` | 2 |" in section("By case")


def test_a_run_without_survivors_has_no_place_for_them() -> None:
    page = mutation_markdown(MUTANTS[:1], FAULTS)
    assert "Survived" not in page
    assert "| subject | killed |" not in page, "one row would repeat the answer"
