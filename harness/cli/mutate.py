"""``meshproof mutate``."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from harness.campaign.folder import default_folder
from harness.campaign.journal import Journal
from harness.campaign.mechanical import regenerated
from harness.campaign.mutation import Mutation
from harness.cli.progress import Display
from harness.cli.status import Status, UsageError, guarded, interruptible, say
from harness.lab.build import ROOT
from harness.lab.machine import fingerprint
from harness.manifests.case import load_cases
from harness.manifests.expectations import load_expectations
from harness.manifests.faults import FOLDER, load_faults
from harness.manifests.place import SCENARIOS, shown
from harness.model.fault import Fate, Fault
from harness.report.conformance import counted
from harness.report.mutation import mutation_markdown


def mutate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Faults by name, wildcards allowed; all when none is given.")
    ] = None,
    dataplane: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only on this data plane; repeat for more.")
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Draw so many of them.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 1,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The run's folder; else a new one in results/.")] = None,
    go_on: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    as_list: Annotated[bool, typer.Option("--list", help="Print the faults, and run nothing.")] = False,
    regenerate: Annotated[
        bool, typer.Option("--regenerate", help="Write the mechanical faults anew, and run nothing.")
    ] = False,
) -> int:
    """Test the conformance suite: seed faults into the data planes one at a time; a named case must fail for each.

    A fault is a change of one source file, made in a copy of the program. The cases of its field are asked first, then the
    others. It is killed by a case that fails for the expected reason, and passes without the fault. Needs root.

    Exit status: 0 every fault was killed or is explained as equivalent, 1 one survived, or one by hand could not be run
    (of the mechanical ones some cannot: the kernel refuses them, and they count as no mutants), 2 bad input,
    3 this machine cannot, 130 interrupted (verdicts are kept: go on with --resume).

    \b
    Examples:
      sudo meshproof mutate --sample 10
      sudo meshproof mutate 'ports-*' --dataplane ebpf
      sudo meshproof mutate --resume --out results/mutation
    """

    def command() -> int:
        if regenerate:
            file = FOLDER / "mechanical.yaml"
            file.write_text(regenerated(file))
            say(f"wrote {file}")
            return Status.EXPECTED
        faults = chosen(load_faults(), names or [], sample, seed)
        if as_list:
            for fault in faults:
                typer.echo(f"{fault.name}  {fault.file}  {', '.join(fault.planes)}  {fault.why}")
            return Status.EXPECTED
        folder = _folder(out, go_on)
        journal = Journal(folder / "journal.jsonl")
        if not go_on:
            journal.append("begun", fingerprint=fingerprint(), faults=len(faults))
        with interruptible(), Display("faults") as display:
            failing = load_expectations(shown(SCENARIOS / "conformance" / "expectations.yaml"))
            mutants = Mutation(faults, load_cases(), journal, display, failing).run(dataplane)
        journal.close()
        (folder / "mutation.json").write_text(
            json.dumps({"format": 1, "mutants": [asdict(each) for each in mutants]}, indent=1)
        )
        (folder / "mutation.md").write_text(mutation_markdown(mutants, faults))
        for mutant in mutants:
            if mutant.fate in (Fate.SURVIVED, Fate.INVALID):
                typer.echo(f"{mutant.fault} on {mutant.dataplane}: {mutant.fate} {mutant.reason}".rstrip())
        counts = Counter(mutant.fate for mutant in mutants)
        typer.echo(f"{counted(len(mutants), 'mutant')}: {', '.join(f'{counts[fate]} {fate}' for fate in Fate if counts[fate])}")
        say(f"wrote {folder}/mutation.md and mutation.json")
        by_hand = {fault.name for fault in faults if fault.operator is None}
        void = [mutant for mutant in mutants if mutant.fate is Fate.INVALID and mutant.fault in by_hand]
        return Status.UNEXPECTED if counts[Fate.SURVIVED] or void else Status.EXPECTED

    return guarded(command)


def chosen(faults: Sequence[Fault], patterns: Sequence[str], sample: int | None, seed: int) -> list[Fault]:
    """The faults that were asked for, in their order. Raises UsageError for a name that stands for none."""
    for pattern in patterns:
        if not any(fnmatchcase(fault.name, pattern) for fault in faults):
            raise UsageError(f"no fault is called {pattern}; `meshproof mutate --list` has their names")
    named = [fault for fault in faults if not patterns or any(fnmatchcase(fault.name, pattern) for pattern in patterns)]
    if sample is None or sample >= len(named):
        return named
    drawn = set(random.Random(seed).sample([fault.name for fault in named], sample))
    return [fault for fault in named if fault.name in drawn]


def _folder(out: Path | None, go_on: bool) -> Path:
    if go_on and (out is None or not (out / "journal.jsonl").exists()):
        raise UsageError("--resume needs --out with the folder of a run that was begun")
    folder = out or default_folder(ROOT / "results")
    if not go_on and (folder / "journal.jsonl").exists():
        raise UsageError(f"{folder} holds a run already; add --resume to go on with it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
