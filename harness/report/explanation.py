"""What ``meshproof explain --json`` prints: a list of answers in the flows' order. These rows are the format.

docs/schemas/explain.schema.json is generated from them; fields are only ever added.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, cast

from harness.model.verdict import Answer, Decision

FORMAT = 1  # raised when a program that read the output no longer could
Verdict = Literal["forwarded", "dropped", "rejected"]


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """What one end of a flow decides: by the rule at ``file:line``, or by none, and why."""

    verdict: Verdict
    rule: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """What becomes of a flow: denied where either end denies. L3/L4 denials are dropped, those of requests rejected."""

    verdict: Verdict
    egress: DecisionRow
    ingress: DecisionRow


def explanation_json(answers: Sequence[Answer]) -> str:
    """The answers as JSON."""
    return json.dumps([asdict(_row(each)) for each in answers], indent=2)


def _row(given: Answer) -> AnswerRow:
    return AnswerRow(_verdict(given.verdict.value), _decision(given.egress), _decision(given.ingress))


def _decision(given: Decision) -> DecisionRow:
    return DecisionRow(_verdict(given.verdict.value), None if given.rule is None else str(given.rule), given.reason)


def _verdict(value: str) -> Verdict:
    return cast(Verdict, value)  # the oracle gives no others; a test reads its answers by the schema's types


def schema_text() -> str:
    """The JSON Schema of the output, as committed."""
    from pydantic import TypeAdapter  # noqa: PLC0415 -- for the schema alone

    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": f"format {FORMAT}"}
    body = head | TypeAdapter(list[AnswerRow]).json_schema() | {"title": "meshproof explain --json"}
    return json.dumps(body, indent=2) + "\n"
