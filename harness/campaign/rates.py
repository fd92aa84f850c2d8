"""The rate "half of the slowest plane's maximum", which each kind of machine has for itself.

Machines of one fingerprint are offered one rate, which all of them can carry, so that their figures may be put together. It is
written down when the first block needs it: a machine that comes later changes nothing.
"""

from collections.abc import Mapping, Sequence

from harness.campaign.journal import Journal
from harness.campaign.machines import digest
from harness.campaign.parts import HERE, worker_of
from harness.campaign.ticks import whole_ticks


def half_of_slowest(journal: Journal, scenario: str, machine: str, of: Mapping[str, str]) -> float:
    """For machines whose fingerprint's digest is ``machine``; ``of`` has each worker's digest. 0 where no maximum is known."""
    for record in journal.records("rates"):
        if record["machine"] == machine and scenario in record["rates"]:
            return float(record["rates"][scenario])
    maxima = [
        record["maximum"] for record in journal.records("survey")
        if record["scenario"] == scenario and record["maximum"] and of.get(worker_of(record), machine) == machine
    ]  # fmt: skip
    return whole_ticks(min(maxima) / 2) if maxima else 0.0


def fix(journal: Journal, scenarios: Sequence[str], machine: str, of: Mapping[str, str]) -> Mapping[str, float]:
    """The rates of the scenarios on such machines, written down once and for all."""
    rates = {scenario: half_of_slowest(journal, scenario, machine, of) for scenario in scenarios}
    known = {scenario for record in journal.records("rates") if record["machine"] == machine for scenario in record["rates"]}
    if not known.issuperset(rates):
        journal.append("rates", machine=machine, rates=rates)
    return rates


def digests(journal: Journal, here: Mapping[str, str]) -> Mapping[str, str]:
    """The digest of every worker's fingerprint that the journal knows, and of the campaign's own."""
    return {HERE: digest(here)} | {worker_of(each): digest(each["fingerprint"]) for each in journal.records("machine")}
