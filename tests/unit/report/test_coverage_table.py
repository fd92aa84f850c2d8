"""The table of what conformance cases ask about."""

import json
from pathlib import Path

from harness.model.coverage import CaseCoverage, Noticed, Pair
from harness.report.coverage import coverage_json, coverage_lines

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "coverage.schema.json"
PORT, RANGE = Pair("ports.port", "a number"), Pair("ports.endPort", "a range")
CASES = [
    CaseCoverage("policy/port", False, (PORT,), (), kills=("ports-ignored",)),
    CaseCoverage("policy/range", False, (PORT, RANGE), (RANGE,), (Noticed("ports.endPort", "a range", "one more"),)),
    CaseCoverage("policy/gen-same", True, (PORT,), ()),
]


def test_each_pair_has_its_number_of_cases_and_the_one_that_asks_alone() -> None:
    lines = list(coverage_lines(CASES))
    assert lines[0] == "1  ports.endPort: a range  (policy/range alone)"
    assert lines[1] == "3  ports.port: a number"


def test_cases_that_add_nothing_are_named_and_do_not_count() -> None:
    *_, heading, spare, totals = coverage_lines(CASES)
    assert "nothing that no other does" in heading
    assert spare == "  policy/gen-same: 1 pairs, all of them others' too"
    assert totals.startswith("3 cases (1 generated), 2 pairs; 2 count: 1 ask")


def test_json_is_as_its_schema_says() -> None:
    document = json.loads(coverage_json(CASES))
    schema = json.loads(SCHEMA.read_text())["properties"]
    assert document.keys() == schema.keys()
    for name in ("pairs", "cases"):
        assert all(row.keys() == schema[name]["items"]["properties"].keys() for row in document[name])
    assert document["pairs"][0] == {"field": "ports.endPort", "class": "a range", "cases": ["policy/range"]}
    assert [case["counts"] for case in document["cases"]] == [True, True, False]
