"""The bypass catalogue as a table: what each technique does on each data plane, by the committed expectations."""

from collections.abc import Sequence

from harness.model.bypass import Technique
from harness.model.case import Case, CaseOutcome, ExpectedOutcome


def catalogue(cases: Sequence[Case], listed: Sequence[ExpectedOutcome], planes: Sequence[str]) -> str:
    """A Markdown table. ``holds``: each case of the technique passes; else how many of them get around the data plane."""
    outcomes = {(each.case, each.dataplane): each.outcome for each in listed}
    rows = [["technique", *planes], ["---"] * (1 + len(planes))]
    for technique in Technique:
        mine = [case.id for case in cases if case.technique is technique]
        if not mine:
            continue
        row = [str(technique)]
        for plane in planes:
            around = sum(outcomes.get((case, plane)) is CaseOutcome.FAIL for case in mine)
            row.append(f"**around: {around} of {len(mine)}**" if around else "holds")
        rows.append(row)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
