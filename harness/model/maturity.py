"""The L7 maturity matrix as written: features of service meshes, and the conformance cases that show each."""

from dataclasses import dataclass

from harness.model.origin import Origin


@dataclass(frozen=True, slots=True)
class MaturityFeature:
    """A row of the matrix.

    ``cases`` are names of cases (``area/name``) or patterns of them, as in a shell. ``reason``, instead of cases, says why no
    data plane has the feature. ``needs`` is what a data plane must claim (a ``Feature``) for its cases to count here, and
    ``note`` says what the cases do not show.
    """

    origin: Origin
    name: str
    cases: tuple[str, ...] = ()
    reason: str | None = None
    needs: str | None = None
    note: str | None = None
