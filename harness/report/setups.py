"""Whether two runs were made on the same set-up: their fingerprints, key by key."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

ALLOWED = ("commit", "seed")
"""Keys that may differ: the code is what two runs are compared for, and the seed only orders what is measured."""


class Difference(BaseModel):
    """A key of two fingerprints whose values differ; None where a run did not record it."""

    model_config = ConfigDict(frozen=True)

    key: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.key} ({self.before or 'not recorded'} before, {self.after or 'not recorded'} after)"


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """Every key whose values differ, other than ALLOWED, in the order of the first."""
    keys = [key for key in dict.fromkeys([*before, *after]) if key not in ALLOWED]
    return [
        Difference(key=key, before=before.get(key), after=after.get(key)) for key in keys if before.get(key) != after.get(key)
    ]


def set_up(fingerprint: Mapping[str, str]) -> str:
    """A short name of a set-up: eight hexadecimal digits, the same for two runs exactly where ``differences`` has none."""
    kept = {key: value for key, value in fingerprint.items() if key not in ALLOWED}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]


def refusal(before: str, after: str, found: Sequence[Difference]) -> str:
    """Why two runs are not compared, in a line."""
    return (
        f"{after} was made on another set-up than {before}: {'; '.join(map(str, found))}. Measure both on one set-up (only "
        f"{' and '.join(ALLOWED)} may differ), or say --anyway: then only ratios within each run are compared"
    )
