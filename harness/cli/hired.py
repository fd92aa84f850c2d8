"""The workers that ``bench --scheduler`` measures on, checked before anything is begun."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.campaign.crew import Crew
from harness.campaign.folder import JOURNAL, planned
from harness.campaign.journal import CampaignError, Journal
from harness.campaign.machines import Fingerprint, Identity, reference, unfit
from harness.cli.status import UsageError


@dataclass(frozen=True, slots=True)
class Hired:
    """A crew, and the fingerprint that the run goes by: what most of its machines are, or what it was begun with."""

    address: str
    crew: Crew
    here: Identity
    fingerprint: Fingerprint
    mixed: bool


@contextmanager
def hired(scheduler: str | None, *, mixed: bool, begun: Path | None) -> Iterator[Hired | None]:
    """The workers of a scheduler, or None without one. ``begun``: the folder of a run to go on with.

    Raises CampaignError, a line for each worker that may not take part: who is unfit is the user's to end.
    """
    if scheduler is None:
        if mixed:
            raise UsageError("--mixed-machines is about workers: give their --scheduler too")
        yield None
        return
    from harness.campaign.dask_crew import connected, identity  # noqa: PLC0415 -- only where there are several machines

    here = identity()
    with connected(scheduler) as crew:
        workers = crew.workers()
        fit = {name: each for name, each in workers.items() if isinstance(each, Identity)}
        wrong = [each for each in workers.values() if isinstance(each, str)]
        if fit:
            wanted = _planned(begun) or _of_program(fit, here)
            reasons = (unfit(name, each, here, wanted, mixed=mixed) for name, each in fit.items())
            wrong += [reason for reason in reasons if reason is not None]
        if wrong:
            raise CampaignError("\n".join(wrong))
        yield Hired(scheduler, crew, here, wanted, mixed)


def _of_program(workers: Mapping[str, Identity], here: Identity) -> Fingerprint:
    """What most machines are; workers of another commit have no say in it."""
    same = {name: each for name, each in workers.items() if each.fingerprint["commit"] == here.fingerprint["commit"]}
    return reference(same or workers)


def _planned(begun: Path | None) -> Fingerprint | None:
    if begun is None or not (begun / JOURNAL).exists():
        return None
    journal = Journal(begun / JOURNAL)
    try:
        fingerprint: Fingerprint = planned(journal)["fingerprint"]
    finally:
        journal.close()
    return fingerprint
