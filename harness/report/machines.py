"""The machines of a run that was measured on several, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.report.run import MachineRow, Run


@dataclass(frozen=True, slots=True)
class MachineLine:
    """A machine: what it measured, in what it is unlike the one above, and which figures its blocks are in."""

    worker: str
    blocks: str
    unlike: str
    figures: str


def machine_lines(run: Run) -> Sequence[MachineLine]:
    """A line for each worker; none where the run was measured on one machine."""
    return [MachineLine(row.worker, _blocks(row), _unlike(row), _figures(row)) for row in run.machines]


def spans(numbers: Sequence[int]) -> str:
    """Numbers as a reader counts them: ``1 to 3, 7``."""
    found = []
    for _, run in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        each = [number for _, number in run]
        found.append(f"{each[0]} to {each[-1]}" if len(each) > 1 else str(each[0]))
    return ", ".join(found) or "none"


def _blocks(row: MachineRow) -> str:
    if not row.lost:
        return spans(row.blocks)
    return f"{spans(row.blocks)}; {spans(row.lost)} begun and thrown away, measured anew as a whole"


def _unlike(row: MachineRow) -> str:
    return "; ".join(f"{name}: {value or 'unknown'}" for name, value in row.differs.items()) or "nothing"


def _figures(row: MachineRow) -> str:
    return "ratios and absolute figures" if row.absolute else "ratios only"
