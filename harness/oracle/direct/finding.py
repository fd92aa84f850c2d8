"""What one spec of a policy says of traffic at a pod that it selects."""

from dataclasses import dataclass

from harness.model.origin import Origin


@dataclass(frozen=True, slots=True)
class Finding:
    """``isolates``: the policy or spec that does; ``allowed`` and ``denied``: the first rule that matches."""

    isolates: Origin | None = None
    allowed: Origin | None = None
    denied: Origin | None = None
