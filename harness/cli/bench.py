"""``meshproof bench``."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from harness import meters, traffic
from harness.campaign.bench_features import unsupported
from harness.campaign.folder import begin, default_folder, newest, resume
from harness.campaign.journal import Journal
from harness.campaign.plan import PLACEMENT, Mode, Plan, chosen, plan
from harness.campaign.run import Campaign
from harness.campaign.spread import Spread
from harness.cli.hired import Hired, hired
from harness.cli.progress import Display
from harness.cli.status import Status, UsageError, guarded, interruptible, say, say_not_judged
from harness.dataplanes import find
from harness.dataplanes.port import DataPlane
from harness.lab.build import ROOT
from harness.lab.idle import kept_awake, waiting
from harness.lab.machine import fingerprint
from harness.lab.turns import turn
from harness.manifests.bench import load_bench
from harness.manifests.targets import load_targets
from harness.model.bench import BenchScenario
from harness.report import summary_text, write_reports

RESULTS = ROOT / "results"
BOUND = {Mode.DEFAULT: 15 * 60.0, Mode.FULL: 30 * 60.0}  # seconds that a campaign of the shipped scenarios may take
RERUN_MARGIN = 90.0  # a rerun of one voided block, and the reports, fit in this
LONGER = 1.25  # times what its loads take: when a campaign of more scenarios runs no voided block again
QUICK_RERUNS = 30.0  # seconds after a quick run's begin when voided rows may still be run again; one takes five


def bench(
    scenarios: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[SCENARIO]...", help="Scenario files or folders; scenarios/bench when none is given."),
    ] = None,
    dataplane: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A data plane; repeat for more. The first is the control."),
    ] = None,
    load: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Measure only loads of this name, or pattern (latency-*); repeat for more."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One block of one scenario on three planes: indicative only.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="27 blocks, for intervals of a few per cent; about half an hour.")
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The run's folder; else a new one in results/.")] = None,
    go_on: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, or with the newest.")] = False,
    blocks: Annotated[int | None, typer.Option(min=1, help="Blocks to measure; fewer than 6 give no intervals.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order in which arms and loads are measured.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(metavar="TCP://HOST:PORT", help="Measure on the workers of this Dask scheduler, not here.")
    ] = None,
    mixed: Annotated[
        bool, typer.Option("--mixed-machines", help="Let workers differ in their machines: ratios over all, figures of most.")
    ] = False,
    evidence: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="A finished run that claims and the decision may rest upon too; repeat for more."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print run.json on standard output at the end.")] = False,
) -> int:
    """Compare data planes on this machine and write a report.

    Makes a lab of network namespaces, attaches each data plane in turn, checks the scenario's policy on it, measures it in
    randomised blocks, and removes everything again. Needs root.

    Exit status: 0 all as expected, 1 a policy was not enforced as its plane claims, 2 bad input, 3 this machine cannot,
    4 the campaign is void (no block counts, or an effect that it injected itself was not found), 130 interrupted (finished
    cells are kept: go on with --resume).

    \b
    Examples:
      sudo meshproof bench --quick
      sudo meshproof bench --out results/mine
      sudo meshproof bench --resume --out results/mine
      sudo meshproof bench my/scenario.yaml --dataplane plain --dataplane ebpf
      meshproof bench --scheduler tcp://10.0.0.1:8786   # after `meshproof worker` on each machine
      sudo meshproof bench my/scenarios --load 'latency-*' --load cost-1000 --blocks 20
      sudo meshproof bench --evidence results/l7 --evidence results/conformance
    """

    def command() -> int:
        if quick and full:
            raise UsageError("--quick and --full exclude each other: give one of them")
        mode = Mode.QUICK if quick else Mode.FULL if full else Mode.DEFAULT
        folder = out or (newest(RESULTS) if go_on else default_folder(RESULTS))
        known = load_bench(scenarios or [])
        from harness.report import judging  # noqa: PLC0415 -- pandas and scipy, not for --help

        judging.check(evidence or [])
        say_not_judged(scenario.not_judged for scenario in known)
        with hired(scheduler, mixed=mixed, begun=folder if go_on else None) as hands:
            machine = hands.fingerprint if hands else _here()
            if go_on:
                journal, campaign = resume(folder, known, machine, sys.argv)
            else:
                campaign = _planned(
                    known, dataplane or [], mode, blocks=blocks, seed=seed, everything=bool(scenarios), only=load or []
                )
                journal = begin(folder, campaign, machine, sys.argv)
            for each in campaign.unsupported:
                say(f"meshproof: {each.scenario} is not measured on {each.dataplane}: {each.reason}")
            _measure(campaign, folder, journal, hands)
        from harness.campaign.summary import summarise  # noqa: PLC0415 -- a second of pandas and scipy, not for --help

        status = summarise(folder, campaign, journal, load_targets(), _planes(campaign))
        journal.close()
        # a quick run has nothing that decides: its own verdicts would be three dozen lines of "untested"
        stands = judging.judge_run(folder, evidence or []) if evidence or campaign.mode is not Mode.QUICK else None
        if stands is not None:
            say(f"meshproof: {stands}")
        for path in write_reports(folder):
            say(f"wrote {path}")
        say(summary_text(folder))
        if as_json:
            typer.echo((folder / "run.json").read_text())
        return Status.VOID if status.void else Status.UNEXPECTED if status.unexpected else Status.EXPECTED

    return guarded(command)


def _planned(
    known: Sequence[BenchScenario],
    names: Sequence[str],
    mode: Mode,
    *,
    blocks: int | None,
    seed: int,
    everything: bool,
    only: Sequence[str],
) -> Plan:
    """The plan that the options ask for. A quick run takes the scenarios marked so, unless some were named."""
    if mode is Mode.QUICK and not everything:
        known = [scenario for scenario in known if scenario.quick]
    for each in only:
        if not any(chosen(scenario, [each]) for scenario in known):
            there = list(dict.fromkeys(point.name for scenario in known for point in scenario.loads))
            raise UsageError(f"--load {each}: no scenario has such a load; there are {', '.join(there)}")
    campaign = plan(known, names, mode, blocks=blocks, seed=seed, only=only)
    planes = _planes(campaign)  # a name that stands for none is refused before anything is made
    return replace(campaign, unsupported=unsupported(campaign.scenarios, planes))


def _here() -> dict[str, str]:
    return {**fingerprint(), "CPU placement": PLACEMENT, "idle processors": waiting()}


def _planes(campaign: Plan) -> Mapping[str, DataPlane]:
    return {arm.dataplane: find(arm.dataplane) for arm in campaign.arms}


def _measure(campaign: Plan, folder: Path, journal: Journal, hands: Hired | None) -> None:
    """Run the campaign with its progress shown; Ctrl-C says how to go on."""
    longest = max(BOUND.get(campaign.mode, 0.0) - RERUN_MARGIN, LONGER * campaign.seconds)
    until = time.monotonic() + (QUICK_RERUNS if campaign.mode is Mode.QUICK else longest)
    try:
        with interruptible(), Display() as display:
            if hands is None:
                _measure_here(campaign, folder, journal, display, until)
            else:
                Spread(
                    campaign, folder, journal, display, hands.crew, here=hands.here, fingerprint=hands.fingerprint,
                    mixed=hands.mixed, rerun_until=until,
                ).run()  # fmt: skip
    except KeyboardInterrupt:
        again = f" --scheduler {hands.address}" if hands else ""
        raise KeyboardInterrupt(
            f"finished cells are kept; go on with: meshproof bench --resume --out {folder}{again}"
        ) from None


def _measure_here(campaign: Plan, folder: Path, journal: Journal, display: Display, until: float) -> None:
    def lacking(meter: str, reason: str) -> None:
        journal.append("unmeasured", meter=meter, reason=reason)
        say(f"meshproof: without {meter}: {reason}")

    usable = meters.usable(lacking)
    with turn(alone=False), kept_awake():
        Campaign(
            campaign, folder, journal, display, planes=_planes(campaign), loads=traffic.registered(),
            meters=usable, rerun_until=until,
        ).run()  # fmt: skip
