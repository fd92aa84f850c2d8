"""What conformance cases came to, as lines for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.judge.conformance import surprise
from harness.model.case import Case, CaseOutcome, CaseResult, ExpectedOutcome
from harness.report.conformance import counted
from harness.report.convergence import Convergence


def again(case: Case, dataplane: str) -> str:
    """The command that runs one case on one data plane again and leaves its lab up."""
    return f"sudo meshproof conform {Path(case.origin.file).parent} --dataplane {dataplane} --keep"


def unexpected_lines(case: Case, result: CaseResult, listed: Sequence[ExpectedOutcome]) -> Iterator[str]:
    """An outcome that was not expected: against what, every expectation that was not met, and how to see it again."""
    yield f"{result.case} on {result.dataplane}: {surprise(result, listed)}"
    yield from (f"  {line}" for line in result.reason.splitlines())
    yield f"  again: {again(case, result.dataplane)}"


def plane_lines(results: Sequence[CaseResult], convergence: Mapping[str, Convergence]) -> Iterator[str]:
    """A line for each data plane: how many cases came to what, and how long changes of policy took."""
    for plane in dict.fromkeys(result.dataplane for result in results):
        mine = [result for result in results if result.dataplane == plane]
        counts = [(outcome, sum(result.outcome is outcome for result in mine)) for outcome in CaseOutcome]
        words = ", ".join(f"{count} {outcome}" for outcome, count in counts if count)
        red = sum(not result.expected for result in mine)
        took = convergence.get(plane)
        enforced = f"; {took.words}" if took else ""
        yield f"{plane}: {counted(len(mine), 'case')}: {words}; {f'{red} not expected' if red else 'all as expected'}{enforced}"
