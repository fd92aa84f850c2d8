"""What all rows of ``run.json`` have in common."""

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _finite(value: object) -> object:
    """NaN and infinities become null: "not known" and "unbounded" are printed, not plotted."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A figure, or null where there is none."""


class Row(BaseModel):
    """A row: fixed once it is read; fields that it does not know are passed over."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
