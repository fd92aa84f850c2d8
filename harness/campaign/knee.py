"""Loads at a share of what each plane's own capacity was found to be."""

from collections.abc import Iterator
from dataclasses import replace

from harness.campaign.journal import Journal
from harness.campaign.parts import cells
from harness.campaign.ticks import TICK_RATE, whole_ticks
from harness.model.bench import LoadPoint
from harness.model.result import CellKey, Metric
from harness.traffic.port import LoadFailed

ROUNDED = 10 * TICK_RATE  # 1/s, from where whole ticks change a rate by less than a tenth


def at_share(point: LoadPoint, journal: Journal, key: CellKey, attempt: int) -> LoadPoint:
    """``point`` with its rate: a share of what the same block found on the same arm, in its last attempt that counts.

    A load without a share is given back as it is. Raises LoadFailed where no such capacity is known.
    """
    if point.share is None:
        return point
    knee = None
    for record in cells(journal):
        same = (record["block"], record["scenario"], record["arm"]) == (key.block, key.scenario, key.arm)
        if same and record["load"] == point.share.of and record["attempt"] <= attempt and not record["void"]:
            knee = next(value for name, _, _, value in record["metrics"] if name == "capacity")
    if knee is None:
        raise LoadFailed(f"load {point.name}: block {key.block} found no capacity on {key.arm} to take a share of")
    rate = max(1.0, knee * point.share.share)
    return replace(point, rate=whole_ticks(rate) if rate >= ROUNDED else rate)


def offered(point: LoadPoint) -> Iterator[Metric]:
    """The rate that was offered, where it differs from arm to arm and the load's name does not tell it."""
    if point.share is not None and point.rate is not None:
        yield Metric("offered", point.rate, "1/s")
