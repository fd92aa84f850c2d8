"""A plan measured by a crew of workers: parts handed out as workers are free, and written down as they come back whole."""

import itertools
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.campaign.crew import Came, Crew, Event, Failed, Said
from harness.campaign.job import Job, adopt
from harness.campaign.journal import CampaignError, Journal
from harness.campaign.machines import Fingerprint, Identity, digest, unfit
from harness.campaign.observer import Observer
from harness.campaign.parts import Part, Standing, by_topology, cells, standings, throw_away, worker_of
from harness.campaign.plan import Plan
from harness.campaign.rates import digests, fix
from harness.campaign.run import SURVEY

PATIENCE = 60.0  # seconds for a worker to come back before a campaign without any gives up
LOOK = 1.0  # seconds between two looks at who is there


@dataclass(slots=True)
class _Given:
    """A job that is out."""

    part: Part
    worker: str
    taken: bool = False
    finished: int = 0


@dataclass(slots=True)
class _Roll:
    """Who takes part, and who was turned away."""

    fit: dict[str, str] = field(default_factory=dict)  # the digest of each worker's fingerprint
    refused: set[str] = field(default_factory=set)


class Spread:
    """The other way to measure a plan, beside Campaign: not here but on workers. The journal is of the same kind."""

    def __init__(
        self, plan: Plan, folder: Path, journal: Journal, observer: Observer, crew: Crew, *, here: Identity,
        fingerprint: Fingerprint, mixed: bool, rerun_until: float,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.folder = folder
        self.journal = journal
        self.observer = observer
        self._crew = crew
        self._here = here
        self._fingerprint = fingerprint
        self._mixed = mixed
        self._rerun_until = rerun_until
        self._name = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._roll = _Roll()
        self._given: dict[int, _Given] = {}
        self._left: list[Part] = []
        self._doing: dict[str, str] = {}

    def run(self) -> None:
        """Measure what is not in the journal yet. Raises CampaignError; a failed cell is journalled, not raised."""
        for part, (standing, worker) in standings(self.plan, self.journal).items():
            if standing is Standing.HALF:
                count = throw_away(self.plan, self.journal, part, worker, "half measured when the campaign was interrupted")
                self.observer.noted(f"{part}: {count} cells of an interrupted run thrown away; it is measured anew as a whole")
            if standing is not Standing.WHOLE:
                self._left.append(part)
        done = sum(record["attempt"] == 1 for record in cells(self.journal))
        self.observer.planned(self.plan.cells, done, self.plan.seconds)
        try:
            seen = time.monotonic()
            while self._left or self._given:
                self._admit()
                if self._roll.fit:
                    seen = time.monotonic()
                elif time.monotonic() - seen > PATIENCE:
                    raise CampaignError(
                        f"no worker has been there for {PATIENCE:g} s; finished blocks are kept: start workers by "
                        "`meshproof worker`, then go on with `meshproof bench --resume --scheduler`"
                    )
                self._hand_out()
                for event in self._crew.happened(LOOK):
                    self._take(event)
        finally:
            self._crew.stop()

    def _admit(self) -> None:
        """Look who is there. A worker that came later is checked as the first were, and turned away with a note."""
        there = self._crew.workers()
        known = digests(self.journal, self._fingerprint)
        for name, worker in there.items():
            if name in self._roll.fit or name in self._roll.refused:
                continue
            reason = worker if isinstance(worker, str) else unfit(
                name, worker, self._here, self._fingerprint, mixed=self._mixed
            )  # fmt: skip
            if not isinstance(worker, str) and reason is None:
                machine = digest(worker.fingerprint)
                if known.get(name, machine) == machine:
                    self._roll.fit[name] = machine
                    if name not in known:
                        self.journal.append("machine", worker=name, fingerprint=dict(worker.fingerprint))
                    continue
                reason = f"worker {name} was another machine before: start it again with another --name"
            self._roll.refused.add(name)
            self.observer.noted(f"{reason}; the campaign goes on without it")
        self._roll.refused &= set(there)
        for name in set(self._roll.fit) - set(there):
            del self._roll.fit[name]
            self._doing.pop(name, None)
            self.observer.noted(f"worker {name} is gone")
            for number in [number for number, given in self._given.items() if given.worker == name and not given.part.block]:
                self._crew.drop(number)
                del self._given[number]

    def _hand_out(self) -> None:
        busy = {given.worker for given in self._given.values()}
        for name, machine in self._roll.fit.items():
            if name in busy:
                continue
            for topology in dict.fromkeys(part.topology for part in self._left):
                if not self._surveyed(name, topology):
                    self._give(Part(topology, SURVEY), name, {})
                    break
                if all(self._surveyed(other, topology) for other, same in self._roll.fit.items() if same == machine):
                    part = self._choose(name, topology)
                    self._left.remove(part)
                    names = [scenario.name for scenario in by_topology(self.plan)[topology]]
                    self._give(part, name, fix(self.journal, names, machine, digests(self.journal, self._fingerprint)))
                    break

    def _choose(self, worker: str, topology: str) -> Part:
        """The first that is left; one whose number the worker measured on another topology goes before, to stay comparable."""
        left = [part for part in self._left if part.topology == topology]
        own = {record["block"] for record in cells(self.journal) if worker_of(record) == worker}
        return next((part for part in left if part.block in own), left[0])

    def _give(self, part: Part, worker: str, rates: Mapping[str, float]) -> None:
        number = next(self._numbers)
        self._given[number] = _Given(part, worker)
        left = max(self._rerun_until - time.monotonic(), 0.0)
        job = Job(self._name, number, self.plan, part, dict(rates), left)
        self._crew.start(job, worker, alone=part.block == SURVEY)

    def _surveyed(self, worker: str, topology: str) -> bool:
        held = {(r["scenario"], r["arm"]) for r in self.journal.records("survey") if worker_of(r) == worker}
        wanted = {
            (scenario.name, arm.name)
            for scenario in by_topology(self.plan)[topology]
            for arm in self.plan.arms_for(scenario)
        }  # fmt: skip
        return wanted <= held

    def _take(self, event: Event) -> None:
        given = self._given.get(event.number)
        if given is None:
            return  # a word that was under way when its job ended
        if isinstance(event, Failed):
            raise CampaignError(f"{event.text}; finished blocks are kept: go on with `meshproof bench --resume`")
        if isinstance(event, Came):
            adopt(event.delivered, self.folder, self.journal, event.worker)
            del self._given[event.number]
            self._doing.pop(event.worker, None)
            if given.part.block:
                measured = [r for r in event.delivered.records if r["kind"] == "cell"]
                for record in measured[given.finished :]:
                    self.observer.finished(f"{event.worker}: block {record['block']} {record['scenario']}/{record['load']}")
            return
        self._hear(event, given)

    def _hear(self, event: Said, given: _Given) -> None:
        if event.kind == "took":
            if given.taken:
                self._lost(given, event.worker)
            given.worker, given.taken = event.worker, True
        elif event.worker != given.worker:
            return  # of a worker that was lost meanwhile
        elif event.kind == "began":
            self._doing[event.worker] = event.text
            self.observer.began("; ".join(f"{name}: {what}" for name, what in sorted(self._doing.items())))
        elif event.kind == "finished":
            given.finished += 1
            self.observer.finished(f"{event.worker}: {event.text}")
        elif event.kind == "added":
            self.observer.added(int(event.text))
        else:
            self.observer.noted(f"{event.worker}: {event.text}")

    def _lost(self, given: _Given, worker: str) -> None:
        throw_away(self.plan, self.journal, given.part, given.worker, "worker lost", unseen=given.finished)
        self.observer.noted(
            f"worker {given.worker} was lost in {given.part}: {given.finished} cells thrown away; "
            f"{worker} measures it anew as a whole"
        )
        self.observer.added(given.finished)
        given.finished = 0
