"""What rounds of a conformance suite came to, as JSON and as Markdown."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from harness.judge.repeats import Flake, Round
from harness.model.case import CaseOutcome

FORMAT = 1


def repeats_json(
    rounds: Sequence[Round], seconds: Sequence[float], flaky: Sequence[Flake], fingerprint: Mapping[str, str]
) -> str:
    """Rounds and their seconds, outcomes by data plane of the first round, and every flake with its outcomes by round."""
    body = {
        "format": FORMAT,
        "rounds": len(rounds),
        "seconds": [round(each, 1) for each in seconds],
        "cases": len({case for case, _ in rounds[0]}),
        "outcomes": {plane: dict(counts) for plane, counts in _counts(rounds[0]).items()},
        "flakes": [{"case": each.case, "dataplane": each.dataplane, "outcomes": list(each.outcomes)} for each in flaky],
        "fingerprint": dict(fingerprint),
    }
    return json.dumps(body, indent=1) + "\n"


def repeats_markdown(rounds: Sequence[Round], seconds: Sequence[float], flaky: Sequence[Flake]) -> str:
    """The same for people."""
    lines = [
        "# The conformance suite, again and again", "",
        f"{len(rounds)} rounds of {len({case for case, _ in rounds[0]})} cases; a round took {min(seconds):.0f} to "
        f"{max(seconds):.0f} s. {len(flaky) or 'No'} flake{'' if len(flaky) == 1 else 's'}.", "",
        "| data plane | " + " | ".join(CaseOutcome) + " |", "| --- |" + " --- |" * len(CaseOutcome),
    ]  # fmt: skip
    for plane, counts in _counts(rounds[0]).items():
        lines.append(f"| {plane} | " + " | ".join(str(counts[outcome] or "") for outcome in CaseOutcome) + " |")
    for each in flaky:
        told = ", ".join(f"{count} times {outcome or 'not run'}" for outcome, count in Counter(each.outcomes).items())
        lines.append(f"\n`{each.case}` on {each.dataplane}: {told}")
    return "\n".join(lines) + "\n"


def _counts(outcomes: Round) -> dict[str, Counter[CaseOutcome]]:
    counts: dict[str, Counter[CaseOutcome]] = {}
    for (_, plane), outcome in outcomes.items():
        counts.setdefault(plane, Counter())[outcome] += 1
    return counts
