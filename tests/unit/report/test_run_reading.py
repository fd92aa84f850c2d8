import dataclasses
import json
from pathlib import Path

import pytest

from harness.model.result import Estimate
from harness.report.run import EstimateRow, Run, RunError, read_run, schema_text

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "run.schema.json"


def test_committed_schema_is_what_the_models_say():
    assert SCHEMA.read_text() == schema_text(), (
        "write it anew: python -c 'from harness.report.run import schema_text; print(schema_text(), end=\"\")'"
        " > docs/schemas/run.schema.json"
    )


def test_schema_requires_what_the_seam_names():
    required = set(json.loads(schema_text())["required"])
    assert {"format", "fingerprint", "dataplanes", "scenarios", "estimates"} <= required


def test_an_estimate_has_every_field_of_the_model():
    assert {field.name for field in dataclasses.fields(Estimate)} == set(EstimateRow.model_fields)


def test_example_is_read_whole(default_folder):
    run = read_run(default_folder)
    assert [plane.name for plane in run.dataplanes] == ["plain", "sidecar", "sidecar-mtls", "ebpf", "ebpf-sockmap"]
    assert len(run.estimates) == len(json.loads((default_folder / "run.json").read_text())["estimates"])
    assert {row.load for row in run.estimates} == {load.name for load in run.scenarios[0].loads}


def test_from_and_to_survive_writing_and_reading(default_folder):
    run = read_run(default_folder)
    assert Run.model_validate_json(run.model_dump_json(by_alias=True)) == run


def test_unknown_fields_of_the_same_format_are_ignored(changed):
    folder = changed(lambda document: document.update(colour="blue"))
    assert read_run(folder).format == 1


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (2, "format 2, but this meshproof reads up to format 1; use a newer meshproof"),
        (None, "format None"),
        ("1", "format '1'"),
    ],
)
def test_other_formats_are_refused(changed, found, message):
    folder = changed(lambda document: document.update(format=found))
    with pytest.raises(RunError, match=message):
        read_run(folder)


def test_a_wrong_value_is_refused_with_its_place(changed):
    folder = changed(lambda document: document["estimates"][3].update(blocks="many"))
    with pytest.raises(RunError, match=r"run\.json: estimates\.3\.blocks: .*'many'"):
        read_run(folder)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00"])
def test_what_is_no_run_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run\.json"):
        read_run(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="not there"):
        read_run(tmp_path)


def row(**fields: object) -> EstimateRow:
    base: dict[str, object] = dict.fromkeys(("low", "high"), None) | {"cell": "s/l", "scenario": "s", "dataplane": "ebpf"}
    base |= {"metric": "latency_p99", "unit": "s", "estimate": 1.0, "level": 0.0, "against": None, "blocks": 6, "void": 0}
    return EstimateRow.model_validate(base | fields)


def test_nan_and_infinity_are_read_as_null():
    found = EstimateRow.model_validate_json(row().model_dump_json().replace('"estimate":1.0', '"estimate":NaN'))
    assert found.estimate is None
    assert row(low=float("inf"), high=float("inf")).high is None


def test_without_a_level_there_is_no_interval():
    assert row(low=None, high=None, level=0.0).bounds is None
    assert row(low=None, high=None, level=None).bounds is None


def test_a_null_bound_with_a_level_is_unbounded():
    assert row(low=2.0, high=None, level=0.97).bounds == (2.0, float("inf"))
    assert row(low=None, high=None, level=0.97).bounds == (float("inf"), float("inf"))


def test_a_null_estimate_of_counted_blocks_is_infinite_and_of_none_unknown():
    assert row(estimate=None).value == float("inf")
    assert row(estimate=None, blocks=0).value is None
