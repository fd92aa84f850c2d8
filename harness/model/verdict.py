"""What should become of a flow, and which rule says so."""

from dataclasses import dataclass

from harness.model.flow import Verdict
from harness.model.origin import Origin


@dataclass(frozen=True, slots=True)
class Decision:
    """The judgement at one end of a flow. ``rule``: what allows or denies, or the policy that isolates; None if none does."""

    verdict: Verdict
    rule: Origin | None
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The judgements at both ends, and what follows from them."""

    verdict: Verdict
    egress: Decision
    ingress: Decision
