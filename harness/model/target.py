"""A stated goal for the ratio of two data planes, fixed before the run."""

from dataclasses import dataclass
from typing import Literal

from harness.model.origin import Origin


@dataclass(frozen=True, slots=True)
class Target:
    """``dataplane``'s ``metric`` divided by ``against``'s, in one load of one scenario, is at most (or at least) ``bound``.

    ``against``'s figure is of the same load and scenario unless ``against_load`` or ``against_scenario`` name others.
    ``equal`` says whether the two planes do the same for the user, None against the control, which does nothing;
    the report says it beside the target.
    """

    id: str
    text: str
    origin: Origin
    scenario: str
    load: str
    metric: str
    dataplane: str
    against: str
    direction: Literal["at most", "at least"]
    bound: float
    equal: bool | None
    against_scenario: str | None = None
    against_load: str | None = None
