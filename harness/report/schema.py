"""JSON Schemas of what is written for programs, from the models that write it."""

import json

from pydantic import BaseModel


def written_schema(model: type[BaseModel]) -> str:
    """The text of a schema file (JSON Schema draft 2020-12)."""
    schema = model.model_json_schema(mode="serialization", by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
