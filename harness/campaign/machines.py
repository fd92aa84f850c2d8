"""The machines of a campaign: who a worker is, which may take part, and which figures may be put together.

A block is paired on one machine, so ratios of blocks of several machines go into one estimate. Figures in their own units
do not: they are estimated over the blocks of one fingerprint.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.campaign.journal import Journal
from harness.campaign.parts import HERE, Standing, standings, worker_of
from harness.campaign.plan import Plan

PROGRAM = frozenset({"commit", "python"})
"""Facts of a fingerprint that are of the program, not of the machine; they never differ within a campaign."""

Fingerprint = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a worker says of itself: its machine's fingerprint, and the versions of the packages that the program uses."""

    fingerprint: Fingerprint
    packages: Mapping[str, str]


def digest(fingerprint: Fingerprint) -> str:
    """A short name of a fingerprint; a run's seed is no part of its machine."""
    facts = {name: value for name, value in fingerprint.items() if name != "seed"}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def differing(one: Fingerprint, other: Fingerprint) -> list[str]:
    """The names of the facts in which two fingerprints differ."""
    return sorted(name for name in {*one, *other} - {"seed"} if one.get(name) != other.get(name))


def reference(workers: Mapping[str, Identity]) -> Fingerprint:
    """The fingerprint that most workers share; of two that as many share, that of the worker whose name comes first."""
    counts = Counter(digest(worker.fingerprint) for worker in workers.values())
    first = min(workers, key=lambda name: (-counts[digest(workers[name].fingerprint)], name))
    return workers[first].fingerprint


def unfit(name: str, worker: Identity, here: Identity, wanted: Fingerprint, *, mixed: bool) -> str | None:
    """Why a worker may not take part, in one line, or None.

    Of another program it never may; of another machine than ``wanted`` only where machines are ``mixed`` on purpose.
    """
    commits = [each.fingerprint.get("commit", "unknown") for each in (worker, here)]
    if commits[0] != commits[1]:
        return (
            f"worker {name} runs commit {commits[0]}, this campaign {commits[1]}: check out the same there and start it again"
        )
    packages = differing(worker.packages, here.packages)
    if packages:
        found = ", ".join(f"{each} {worker.packages.get(each)} (here {here.packages.get(each)})" for each in packages)
        return f"worker {name} has other packages: {found}; install those of constraints.txt and start it again"
    others = differing(worker.fingerprint, wanted)
    if PROGRAM.intersection(others):
        return f"worker {name} is not what the run was begun with (other {', '.join(others)}): start a new run"
    if others and not mixed:
        return (
            f"worker {name} is another machine than the rest (other {', '.join(others)}): "
            "end it, or allow that by --mixed-machines"
        )
    return None


@dataclass(frozen=True, slots=True)
class Machine:
    """A worker as run.json shows it: its fingerprint's digest, in what it ``differs`` from the run's, and what it measured."""

    worker: str
    fingerprint: str
    blocks: tuple[int, ...]
    absolute: bool
    """Whether absolute figures are estimated over its blocks."""
    differs: Mapping[str, str]
    lost: tuple[int, ...]
    """Blocks that it had begun when it was lost; others measured them anew."""


@dataclass(frozen=True, slots=True)
class Machines:
    """All machines of a campaign; ``fingerprint`` is the one that most blocks were measured on."""

    fingerprint: Fingerprint
    rows: Sequence[Machine]

    @property
    def pooled(self) -> frozenset[str]:
        """The workers whose absolute figures go together."""
        return frozenset(row.worker for row in self.rows if row.absolute) or frozenset({HERE})


def machines(plan: Plan, journal: Journal, planned: Fingerprint) -> Machines:
    """Who measured what, from a journal. No rows where the campaign ran on one machine, without workers."""
    known: dict[str, Fingerprint] = {worker_of(record): record["fingerprint"] for record in journal.records("machine")}
    if not known:
        return Machines(planned, ())
    blocks: dict[str, list[int]] = {name: [] for name in known}
    for part, (standing, worker) in standings(plan, journal).items():
        if standing is not Standing.MISSING:
            blocks.setdefault(worker, []).append(part.block)
    prints = {name: known.get(name, planned) for name in blocks}
    counts: Counter[str] = Counter()
    for name, measured in blocks.items():
        counts[digest(prints[name])] += len(measured)
    most = max(counts, key=lambda each: (counts[each], each == digest(planned)))
    chosen = next(each for each in prints.values() if digest(each) == most)
    lost = Counter((worker_of(record), record["block"]) for record in journal.records("thrown away"))
    rows = [
        Machine(
            name, digest(prints[name]), tuple(sorted(set(measured))), digest(prints[name]) == most,
            {each: prints[name].get(each, "") for each in differing(prints[name], chosen)},
            tuple(sorted({block for worker, block in lost if worker == name})),
        )
        for name, measured in sorted(blocks.items())
    ]  # fmt: skip
    return Machines(chosen, rows)


def as_records(found: Machines) -> Iterator[Mapping[str, Any]]:
    """The rows of run.json."""
    for row in found.rows:
        yield {
            "worker": row.worker or "this machine", "fingerprint": row.fingerprint, "blocks": list(row.blocks),
            "absolute": row.absolute, "differs": dict(row.differs), "lost": list(row.lost),
        }  # fmt: skip
