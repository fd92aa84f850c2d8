"""``meshproof conform --repeat``."""

from collections.abc import Sequence
from pathlib import Path

import typer

from harness.campaign.conformance.run import Conformance
from harness.campaign.repeats import repeated
from harness.cli.progress import Display
from harness.cli.status import Status, interruptible, say
from harness.dataplanes.port import DataPlane
from harness.judge.conformance import gate
from harness.judge.repeats import flakes
from harness.lab.machine import fingerprint
from harness.model.case import Case, CaseResult, ExpectedOutcome
from harness.report.repeats import repeats_json, repeats_markdown


def in_a_row(
    cases: Sequence[Case],
    planes: Sequence[DataPlane],
    control: DataPlane,
    listed: Sequence[ExpectedOutcome],
    *,
    rounds: int,
    folder: Path,
    go_on: bool,
) -> Status:
    """Run the cases ``rounds`` times, each round in labs of its own, and say which did not come to the same each time."""

    def one(number: int) -> Sequence[CaseResult]:
        with interruptible(), Display("outcomes") as display:
            display.began(f"round {number} of {rounds}")
            return gate(Conformance(cases, planes, control, display).run().results, listed)

    asked = [f"{case.id} on {plane.name}" for case in cases for plane in planes]
    machine = fingerprint()
    came_to = repeated(folder, rounds, one, asked, machine, go_on=go_on)
    flaky = flakes(came_to.outcomes)
    told = repeats_markdown(came_to.outcomes, came_to.seconds, flaky)
    (folder / "summary.json").write_text(repeats_json(came_to.outcomes, came_to.seconds, flaky, machine))
    (folder / "summary.md").write_text(told)
    typer.echo(told)
    say(f"wrote {folder}/summary.json and summary.md")
    return Status.UNEXPECTED if flaky or came_to.unexpected else Status.EXPECTED
