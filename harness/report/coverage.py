"""What conformance cases ask about, for a terminal and for programs."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

from harness.model.coverage import CaseCoverage, Pair

FORMAT = 1


def coverage_lines(cases: Sequence[CaseCoverage]) -> Iterator[str]:
    """A line for each pair with the number of cases that ask about it, then the cases that add nothing."""
    asking = _asking(cases)
    width = max((len(str(len(names))) for names in asking.values()), default=1)
    for pair in sorted(asking):
        names = asking[pair]
        alone = f"  ({names[0]} alone)" if len(names) == 1 else ""
        yield f"{len(names):{width}}  {pair}{alone}"
    spare = [case for case in cases if not case.counts]
    if spare:
        yield "cases that ask, notice or kill nothing that no other does:"
        yield from (f"  {case.case}: {len(case.pairs)} pairs, all of them others' too" for case in spare)
    yield totals(cases)


def totals(cases: Sequence[CaseCoverage]) -> str:
    """How many cases count, and why."""
    generated = sum(case.generated for case in cases)
    own = sum(bool(case.own) for case in cases)
    alone = sum(bool(case.alone) and not case.own for case in cases)
    kills = sum(bool(case.kills) and not case.own and not case.alone for case in cases)
    return (
        f"{len(cases)} cases ({generated} generated), {len(_asking(cases))} pairs; {sum(case.counts for case in cases)} count: "
        f"{own} ask about a pair that no other does, {alone} more notice a misreading that no other does, "
        f"{kills} more are named by a seeded fault"
    )


def coverage_json(cases: Sequence[CaseCoverage]) -> str:
    """Format 1 of docs/schemas/coverage.schema.json."""
    pairs = [{"field": pair.field, "class": pair.value, "cases": names} for pair, names in sorted(_asking(cases).items())]
    rows = [
        {
            "case": case.case,
            "generated": case.generated,
            "counts": case.counts,
            "pairs": len(case.pairs),
            "own": [{"field": pair.field, "class": pair.value} for pair in case.own],
            "alone": [{"field": each.field, "class": each.value, "taken": each.taken} for each in case.alone],
            "kills": list(case.kills),
        }
        for case in cases
    ]
    return json.dumps({"format": FORMAT, "pairs": pairs, "cases": rows}, indent=1) + "\n"


def _asking(cases: Sequence[CaseCoverage]) -> dict[Pair, list[str]]:
    asking: dict[Pair, list[str]] = defaultdict(list)
    for case in cases:
        for pair in case.pairs:
            asking[pair].append(case.case)
    return asking
