"""What one spec of a policy says of traffic at a pod that it selects."""

from dataclasses import dataclass

from harness.model.cilium import L7Rules
from harness.model.origin import Origin


@dataclass(frozen=True, slots=True)
class Grant:
    """A rule that lets the traffic through: all of it, or, where it is ``narrowed``, the requests that those rules allow."""

    rule: Origin
    narrowed: tuple[L7Rules, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """``isolates``: the policy or spec that does; ``denied``: the first rule that denies.

    ``grants``: the rules that match, in their order, to the first that is not narrowed: those after it add nothing.
    """

    isolates: Origin | None = None
    grants: tuple[Grant, ...] = ()
    denied: Origin | None = None
