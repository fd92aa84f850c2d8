"""JSON Schemas of the project's own YAML, for editors. ``python -m harness.manifests.schemas`` writes them anew."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from harness.manifests.bench import ScenarioShape
from harness.manifests.calls import CallShape
from harness.manifests.case import CaseShape
from harness.manifests.claims import ClaimsShape
from harness.manifests.expectations import ExpectationsShape
from harness.manifests.faults import FaultsShape
from harness.manifests.flows import AskedFlow
from harness.manifests.maturity import MaturityShape
from harness.manifests.scaling import ScalingShape
from harness.manifests.targets import TargetsShape
from harness.manifests.topology import TopologyShape
from harness.manifests.workloads import WorkloadsShape

FORMAT = 1  # raised when a file that was valid no longer is
FOLDER = Path(__file__).parents[2] / "docs" / "schemas"

SHAPES: Mapping[str, TypeAdapter[Any]] = {
    "bench-scenario": TypeAdapter(ScenarioShape),
    "claims": TypeAdapter(ClaimsShape),
    "conformance-case": TypeAdapter(CaseShape),
    "conformance-expectations": TypeAdapter(ExpectationsShape),
    "faults": TypeAdapter(FaultsShape),
    "flows": TypeAdapter(list[AskedFlow]),
    "maturity": TypeAdapter(MaturityShape),
    "requests": TypeAdapter(list[CallShape]),
    "scaling-scenario": TypeAdapter(ScalingShape),
    "topology": TypeAdapter(TopologyShape),
    "targets": TypeAdapter(TargetsShape),
    "workloads": TypeAdapter(WorkloadsShape),
}


def schema(name: str) -> str:
    """The text of ``NAME.schema.json`` (JSON Schema draft 2020-12)."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": f"format {FORMAT}"}
    body = head | SHAPES[name].json_schema() | {"title": f"meshproof {name}"}
    return json.dumps(body, indent=2) + "\n"


if __name__ == "__main__":
    for each in SHAPES:
        (FOLDER / f"{each}.schema.json").write_text(schema(each))
