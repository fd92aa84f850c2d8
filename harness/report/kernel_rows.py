"""The kernel matrix as it is written: by itself, and in a run whose report shows it."""

from pydantic import BaseModel, ConfigDict

from harness.judge.kernels import differences
from harness.model.kernels import Difference, KernelCheck

FORMAT = 1
FILE = "kernels.json"


class KernelMatrix(BaseModel):
    """``kernels.json``: format 1 of docs/schemas/kernels.schema.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    started: str
    commit: str
    kernels: list[KernelCheck]

    @property
    def differences(self) -> list[Difference]:
        """What is not the same on all of them."""
        return differences(self.kernels)
