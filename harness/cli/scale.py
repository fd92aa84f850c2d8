"""``meshproof scale``."""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness.campaign.folder import default_folder
from harness.campaign.plan import Mode
from harness.campaign.scaling.plan import DEFAULT_SEED, ScalingPlan, scaling_plan, twice_measured
from harness.campaign.scaling.run import begin, resume, run, unsupported
from harness.cli.progress import Display
from harness.cli.status import Status, UsageError, guarded, interruptible, say
from harness.dataplanes import find
from harness.lab.build import ROOT
from harness.lab.idle import kept_awake, waiting
from harness.lab.machine import fingerprint
from harness.manifests.scaling import load_scaling
from harness.report import summary_text, write_reports

RESULTS = ROOT / "results"


def scale(
    scenarios: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[SCENARIO]...", help="Scenario files or folders; scenarios/scaling when none is given."),
    ] = None,
    dataplane: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this data plane of those that the scenarios name; repeat for more."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few points, twice: indicative only.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The run's folder; else a new one in results/.")] = None,
    go_on: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the order in which points are measured.")] = DEFAULT_SEED,
    as_json: Annotated[bool, typer.Option("--json", help="Print run.json on standard output at the end.")] = False,
) -> int:
    """Measure how cost grows: memory, idle CPU, start-up and policy changes by pods, packets by policy entries, flow events.

    Each point is measured several times, each time in a new lab, in an order drawn by --seed; then a line is laid through
    them: what there is before the first one, what one more costs, and how far the worst point lies from the line. Needs root.

    Exit status: 0 measured, 2 bad input, 3 this machine cannot, 4 void: some point has no figure, 130 interrupted
    (what was measured is kept: go on with --resume).

    \b
    Examples:
      sudo meshproof scale --quick
      sudo meshproof scale --out results/scaling
      sudo meshproof scale scenarios/scaling/policy-entries.yaml --dataplane ebpf
      sudo meshproof scale --resume --out results/scaling
    """

    def command() -> int:
        if go_on and out is None:
            raise UsageError("--resume goes on with the run in --out: give its folder")
        folder = out or default_folder(RESULTS)
        plan = _planned(scenarios or [], Mode.QUICK if quick else Mode.DEFAULT, seed, dataplane or [])
        planes = {name: find(name) for scenario in plan.scenarios for name in plan.planes_of(scenario)}
        plan = replace(plan, unsupported=unsupported(plan, planes))
        for each in plan.unsupported:
            say(f"meshproof: {each.scenario} is not measured on {each.dataplane}: {each.reason}")
        machine = {**fingerprint(), "idle processors": waiting()}
        if go_on:
            journal = resume(folder, plan, machine, sys.argv)
        else:
            journal = begin(folder, plan, machine, sys.argv, datetime.now(UTC).isoformat(timespec="seconds"))
        try:
            with interruptible(), kept_awake(), Display("points") as display:
                run(plan, journal, display, planes)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"what was measured is kept; go on with the same and --resume --out {folder}") from None
        from harness.campaign.scaling.summary import summarise  # noqa: PLC0415 -- pandas and scipy, not for --help

        void = summarise(folder, plan, journal, planes)
        journal.close()
        for path in write_reports(folder):
            say(f"wrote {path}")
        say(summary_text(folder))
        if as_json:
            typer.echo((folder / "run.json").read_text())
        return Status.VOID if void else Status.EXPECTED

    return guarded(command)


def _planned(paths: list[Path], mode: Mode, seed: int, names: list[str]) -> ScalingPlan:
    known = load_scaling(paths)
    plan = scaling_plan(known, mode, seed=seed, dataplanes=names, named=bool(paths))
    for name in names:
        find(name)  # one that stands for no data plane is refused before anything is made
        if not any(name in scenario.dataplanes for scenario in plan.scenarios):
            raise UsageError(f"none of the scenarios is measured on {name}: add it to their dataplanes, or leave it out")
    twice = twice_measured(plan)
    if twice is not None:
        one, other = (each.origin.file for each in twice)
        raise UsageError(f"{one} and {other} measure the same under the same condition: give one of them, or run them apart")
    if not plan.spots():
        raise UsageError("there is nothing to measure: a quick run takes the scenarios that have quick points")
    return plan
