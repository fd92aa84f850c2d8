"""Chooses the generated cases that are worth having: ``python -m harness.campaign.coverage.casebook scenarios/conformance``.

harness.oracle.casebook makes a case of each class of values that it lists. Here those are left out of which nothing is asked
that the others, or the cases by hand, do not ask too; the rest is written. A test compares with what is committed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.campaign.coverage.pairs import about_requests, ask_all, irredundant
from harness.manifests.case import load_cases
from harness.model.case import Case
from harness.oracle import casebook


def chosen(by_hand: Sequence[Case]) -> list[casebook.GeneratedCase]:
    """The generated cases that ask something beside ``by_hand``, in the order of the casebook's list."""
    made = casebook.cases()
    with TemporaryDirectory() as folder:
        casebook.write(Path(folder), made)
        candidates = load_cases([Path(folder)])
        kept: set[str] = set()
        for kind in (False, True):  # cases about requests are compared with one another only
            new, beside = ([case for case in cases if about_requests(case) is kind] for cases in (candidates, by_hand))
            kept.update(irredundant(ask_all(beside), ask_all(new)))
    return [case for case in made if case.id in kept]


def write(folder: Path) -> int:
    """Replace the generated cases of the conformance suite in ``folder`` and return how many there are."""
    return casebook.write(folder, chosen([case for case in load_cases([folder]) if not case.generated]))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
