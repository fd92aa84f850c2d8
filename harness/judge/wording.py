"""Endpoints in words, as ``run.json`` has them: what is divided by what, where, and what is wanted of it."""

from math import isinf, isnan

from harness.judge.verdict import Judged
from harness.model.claim import Answers, Cases, Endpoint, Features, Figure, Growth, Ratio, Slope, Total, Unasked


def endpoint_text(endpoint: Endpoint) -> str:
    """``latency_p50 of ebpf / sidecar in http-cross-node/latency-1000, at most 1``."""
    bound = endpoint.bound
    wanted = "" if bound is None or isinstance(endpoint.subject, Unasked) else f", {bound.direction} {bound.value:g}"
    return f"{_subject(endpoint)}{wanted}"


def _subject(endpoint: Endpoint) -> str:
    match endpoint.subject:
        case Ratio() as it:
            below = "its own" if it.dataplane == it.against else it.against
            elsewhere = f" in {it.against_scenario}" if it.against_scenario else ""
            text = f"{it.metric} of {it.dataplane} / {below}{elsewhere} in {it.scenario}/{it.load}"
        case Total() as it:
            text = f"{' + '.join(it.metrics)} of {it.dataplane} / {it.against} in {it.scenario}/{it.load}"
        case Figure() as it:
            part = f" ({it.component})" if it.component else ""
            text = f"{it.metric}{part} of {it.dataplane} in {it.scenario}/{it.load}"
        case Slope() as it:
            text = f"growth of {it.metric} with {it.x}, {it.dataplane} / {it.against}"
        case Growth() as it:
            text = f"{it.metric} of {it.dataplane} at the most {it.x} / at the fewest"
        case Cases(names, dataplane, None):
            text = f"share of {', '.join(names)} that pass on {dataplane}"
        case Cases(names, dataplane, other):
            text = f"how many more of {', '.join(names)} pass on {dataplane} than on {other}"
        case Features(names, dataplane, other):
            text = f"how many more of {', '.join(names)} {dataplane} has than {other}"
        case Answers():
            text = "share of classes of workload answered replace"
        case Unasked():
            text = "not measured yet"
    return text


def found_text(judged: Judged) -> str:
    """``0.42 (0.4 to 0.45)``; empty where there is no figure."""
    if isnan(judged.low) and isnan(judged.estimate):
        return ""
    match judged.endpoint.subject:
        case Cases(_, _, None) | Answers():
            one, low, high = (f"{value:.0%}" for value in (judged.estimate, judged.low, judged.high))
        case _:
            one, low, high = (_number(value) for value in (judged.estimate, judged.low, judged.high))
    return f"found {one}" if low == high else f"found {one} ({low} to {high})"


def _number(value: float) -> str:
    return "unbounded" if isinf(value) else f"{value:.3g}"
