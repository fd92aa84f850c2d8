"""The cells of known effects: ordinary loads, read by the ordinary meters, while something is injected on purpose."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.campaign.cell import Outcome, measure
from harness.judge.known_effects import BURN, DELAYS, EFFECTS, LOSS, SERVER
from harness.meters.alternating import Alternating
from harness.meters.forms import Forms
from harness.meters.port import Meter, Subject
from harness.model.bench import LoadKind, LoadPoint, MixPart
from harness.model.result import Metric
from harness.traffic.burner import PERIOD, burner
from harness.traffic.delayed import after, serve_delayed
from harness.traffic.lossy import losing
from harness.traffic.port import Load, LoadFailed

RESTS = {"delay-100us": 200e-6, "delay-1ms": 1e-3}
"""Seconds that every answer waits, delayed or not. A path that nobody used for a while is some microseconds slower; without
this wait that would be part of what a delay seems to add. So it is the longer, the longer the delay."""

EVERY = 100  # packets, of which one is lost
SLICE = 10 * PERIOD  # seconds in which processor time is burnt, or not
METERS = ("latency", "cpu")

_DELAYED = [effect for effect in EFFECTS if effect.load == DELAYS]
_WAITS = {
    form: RESTS[effect.id] + added for effect in _DELAYED for form, added in ((effect.base, 0.0), (effect.form, effect.truth))
}
_BURNT = next(effect.truth for effect in EFFECTS if effect.load == BURN)

LOADS = (
    # At this rate no answer falls together with the sending of a request, or with a tick of the kernel's timer.
    LoadPoint(
        DELAYS, LoadKind.LATENCY, 0.8, 0.1, rate=1250, arrivals="fixed", path=after(next(iter(_WAITS.values()))),
        mix=tuple(MixPart(100 / len(_WAITS), after(wait)) for wait in list(_WAITS.values())[1:]),
    ),
    LoadPoint(BURN, LoadKind.COST, 2.05, 0.1, rate=4000, arrivals="fixed"),
    # 990 requests and 10 losses; what is sent again, 0.2 s later, falls in the middle between two losses.
    LoadPoint(LOSS, LoadKind.LATENCY, 0.792, 0.0, rate=1250, arrivals="fixed", path=after(RESTS["delay-1ms"])),
)  # fmt: skip


def server_share(subject: Subject, port: int, loads: Mapping[str, Load], meters: Sequence[Meter]) -> float:
    """The part of a processor that the server uses under the burn's load, which the burn is sized by. Raises LoadFailed."""
    point = next(point for point in LOADS if point.name == BURN)
    rate = point.rate or 0.0
    asked = subject.server.pod.ip(4), port
    outcome = measure(loads[point.kind], _chosen(meters), subject, asked, replace(point, seconds=0.6), rate)
    for metric in outcome.metrics:
        if (metric.name, metric.component) == ("cpu_per_request", SERVER):
            return metric.value * rate
    raise LoadFailed(f"the server's processor time could not be read: {outcome.void or 'no meter reads it'}")


def inject(
    point: LoadPoint,
    subject: Subject,
    ports: tuple[int, int],
    share: float | None,
    loads: Mapping[str, Load],
    meters: Sequence[Meter],
) -> Outcome:
    """One cell. ``ports`` are the server's own and one that is free; ``share`` is what ``server_share`` gave.

    What was really injected, by the injecting program's own account, is among the metrics. Raises LoadFailed, LabError.
    """
    server, (own, free), load, rate = subject.server, ports, loads[point.kind], point.rate or 0.0
    address, chosen = server.pod.ip(4), _chosen(meters)
    if point.name == DELAYS:
        with serve_delayed(server, free) as delays:
            outcome = measure(load, [*chosen, Forms(list(_WAITS))], subject, (address, free), point, rate)
        told = [Metric("injected_wait", delays.waited(wait), "s", form) for form, wait in _WAITS.items()]
    elif point.name == LOSS:
        with serve_delayed(server, free), losing(server, free, EVERY) as losses:
            outcome = measure(load, chosen, subject, (address, free), point, rate)
        told = [Metric("lost_packets", losses.packets, "packets")]
    else:
        if share is None:
            raise LoadFailed("what the server uses could not be surveyed, so that nothing can be burnt in proportion")
        cpu = next(meter for meter in chosen if point.kind in meter.kinds)
        with burner(server, _BURNT * share) as burning:
            alternating = Alternating(cpu, burning.turn, SLICE)
            outcome = measure(load, [*chosen, alternating], subject, (address, own), point, rate)
        told = [Metric("server_share", share, "1")]
    return replace(outcome, metrics=[*outcome.metrics, *told])


def _chosen(meters: Sequence[Meter]) -> list[Meter]:
    """Those that read what the effects are on; every other one would only take its time."""
    return [meter for meter in meters if meter.name in METERS]
