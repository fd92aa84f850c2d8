"""What a conformance case says of a request to a Service, compared with what the oracles say."""

from collections.abc import Iterator, Sequence

from harness.judge.shares import telling
from harness.model.routed import Outcome, RoutedExpectation, Share


def contradictions(
    expectation: RoutedExpectation, outcomes: Sequence[Outcome], mirrors: Sequence[tuple[frozenset[str], int, int]]
) -> Iterator[str]:
    """Why what a case expects does not follow from what the oracles say; nothing if it does.

    ``mirrors``: the pods that get copies, and of how many (``numerator``) in how many requests.
    """
    left = list(outcomes)
    for share in expectation.shares:
        outcome = outcome_of(share, left)
        if outcome is None:
            yield f"the case expects {share}, the oracles say {' or '.join(map(_told, outcomes))}"
            continue
        left.remove(outcome)
        yield from _otherwise(share, outcome)
    if left and len(left) + len(expectation.shares) == len(outcomes):  # else it is said already
        yield f"the oracles also say {' or '.join(map(_told, left))}"
    elif not left:
        yield from _wrong_weights(expectation, outcomes)
    wanted = {(frozenset(each.pods), each.numerator / each.denominator) for each in expectation.copies}
    said = {(pods, numerator / denominator) for pods, numerator, denominator in mirrors}
    if wanted != said:
        yield f"the case expects copies for {_copied(wanted)}, the oracle says {_copied(said)}"


def outcome_of(share: Share, outcomes: Sequence[Outcome]) -> Outcome | None:
    """The outcome that a share is about."""
    meant = (frozenset(share.pods), share.status, share.tries)
    fitting = [each for each in outcomes if (frozenset(each.pods), each.status, each.tries) == meant]
    return next((each for each in fitting if not list(_otherwise(share, each))), fitting[0] if fitting else None)


def _otherwise(share: Share, outcome: Outcome) -> Iterator[str]:
    for name, wanted, said in (("path", share.path, outcome.path), ("host", share.host, outcome.host)):
        if wanted not in (None, said):
            yield f"the case expects the {name} {wanted} to arrive, the oracle says {said}"
    if share.at_least is not None and share.at_least > outcome.delay:
        yield f"the case expects its answer after {share.at_least:g} s at least, the oracle says after {outcome.delay:g} s"
    if share.before is not None and share.before <= outcome.delay:
        yield f"the case expects its answer before {share.before:g} s, the oracle says after {outcome.delay:g} s"
    for what, wanted_headers, said_headers in (
        ("to arrive", share.headers, outcome.headers),
        ("to return", share.returns, outcome.returns),
    ):
        known = dict(said_headers)
        for name, value in wanted_headers:
            if known.get(name.lower()) != value:
                yield f"the case expects {name}: {value} {what}, the oracle says {known.get(name.lower())}"


def _wrong_weights(expectation: RoutedExpectation, outcomes: Sequence[Outcome]) -> Iterator[str]:
    if not expectation.weighted:
        return
    total, whole = sum(each.weight or 0 for each in expectation.shares), sum(each.weight for each in outcomes)
    for share in expectation.shares:
        outcome = outcome_of(share, outcomes)
        if outcome is not None and outcome.weight / whole * total != share.weight:
            part = float(outcome.weight / whole)
            yield f"the case expects {share} for {share.weight} in {total} requests, the oracle says {part:.4g} of them"
    parts = tuple((each.weight or 0) / total for each in expectation.shares)
    if not telling(parts, expectation.asked.times):
        yield f"{expectation.asked.times} requests cannot tell these shares from equal ones; write more times"


def _told(outcome: Outcome) -> str:
    return f"{outcome} ({outcome.reason}{f', {outcome.rule}' if outcome.rule else ''})"


def _copied(copies: set[tuple[frozenset[str], float]]) -> str:
    return ", ".join(f"{' or '.join(sorted(pods))} of {share:.4g}" for pods, share in sorted(copies, key=str)) or "nobody"
