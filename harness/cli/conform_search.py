"""``meshproof conform --search``: policies, flows and packets are drawn until a data plane judges some of them wrongly."""

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import join

import typer

from harness.cli.progress import Display
from harness.cli.status import Status, interruptible
from harness.dataplanes.port import DataPlane
from harness.judge.conformance import Judgement
from harness.model.case import Case
from harness.model.fault import Symptom
from harness.report.conformance_text import again
from harness.search.drafts import Scope, drafts
from harness.search.scope import known_crafts, scope_of
from harness.search.shrinking import Bounds, Found, Search
from harness.search.trials import load, recorded, trials
from harness.search.writing import Told, written

CAPTURES = "captures"
_GONE = re.compile(r"; captures while the lab is up: [^)]*")
"""What a failed packet names in its lab's folder, which is removed by now."""

_WORDS = {
    Symptom.ADMITS: "lets through what is denied",
    Symptom.DENIES: "denies what is allowed",
    Symptom.REFUSES: "does not put in force what it claims to",
    Symptom.BREAKS: "does not do as it declares",
}


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The smallest case, written and loaded again, and what came of it in a lab of its own."""

    case: Case
    judgement: Judgement
    captures: list[Path]


def search(plane: DataPlane, control: DataPlane, bounds: Bounds, seed: int, out: Path) -> Status:
    """Search, write what is found below ``out``, and say so.

    Raises LabError, DataPlaneError, LoadFailed, NothingLearnt where this machine cannot, ManifestError.
    """
    out.mkdir(parents=True, exist_ok=True)  # what cannot be written must not cost minutes
    scope, began = scope_of(plane), time.monotonic()
    with interruptible(), Display("examples") as display:
        left_out = known_crafts(plane)
        if left_out:
            display.noted(f"not drawn, as they are known to fail on {plane.name}: {', '.join(sorted(left_out))}")
        with trials(scope, plane, control) as tried:
            display.began(f"searching {plane.name}")
            looking = Search(tried.judge, bounds, display)
            found = looking.run(drafts(scope), seed)
        if found is None:
            seconds = time.monotonic() - began
            typer.echo(f"{plane.name}: {looking.examples} examples as expected, in {seconds:.0f} s (seed {seed})")
            return Status.EXPECTED
        display.began("judging the smallest in a lab of its own")
        confirmed = _confirmed(found, scope, plane, out)
    for line in _lines(found, confirmed, plane, bounds, seed):
        typer.echo(line)
    return Status.UNEXPECTED


def _confirmed(found: Found, scope: Scope, plane: DataPlane, out: Path) -> Confirmed:
    symptoms = found.smallest.judgement.symptoms
    title = f"{plane.name} {' and '.join(words for symptom, words in _WORDS.items() if symptom in symptoms)}"
    place = written(out, found.smallest.expected, scope.topology.name, Told(title, join(sys.argv[1:])))
    case = load(place)
    return Confirmed(case, *recorded(case, scope, plane, place / CAPTURES))


def _lines(found: Found, confirmed: Confirmed, plane: DataPlane, bounds: Bounds, seed: int) -> Iterator[str]:
    case, (step,) = confirmed.case, confirmed.case.steps
    yield f"{case.id}: {case.title}; found by example {found.after} of {bounds.examples} (seed {seed})"
    yield (
        f"  made smaller by {found.shrinks} examples in {found.seconds:.0f} s: {len(step.policies)} policies, "
        f"{len(step.expectations)} flows, {len(step.packets)} packets"
    )
    if found.bound:
        yield f"  not as small as it could be: shrinking ended after {found.bound}"
    if found.unstable:
        yield f"  flaky: {found.unstable}"
    yield from (f"  {_GONE.sub('', line)}" for line in confirmed.judgement.faults or found.smallest.judgement.faults)
    if not confirmed.judgement.faults:
        yield (
            "  flaky: as expected in a lab of its own; it failed in one where other policies had been in force before, "
            "or fails only now and then"
        )
    yield f"  captures: {' '.join(str(file) for file in confirmed.captures)}"
    yield f"  again: {again(case, plane.name)}"
