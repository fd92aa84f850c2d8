"""What a BackendTrafficPolicy may make of a request to a Service that a pod would get, and what a case says of that."""

from collections.abc import Iterator
from dataclasses import replace

from harness.model.call import STATUSES, GRPCCall
from harness.model.routed import Asked, Outcome, RoutedExpectation, Status
from harness.model.routing import Forwarded
from harness.oracle.routing.traffic import Effect, effects, open_to_others, own_answers

_OK = 200
_BY_HTTP = {400: "INTERNAL", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "UNIMPLEMENTED"}
_UNAVAILABLE = (429, 502, 503, 504)


def under_policy(part: Outcome, answer: Forwarded, expectation: RoutedExpectation, unsaid: list[str]) -> Iterator[Outcome]:
    """What becomes of ``part`` of the requests under the policy that they are under.

    What depends on other requests, or on which pod gets one, is what the case says, as far as that may be.
    Adds to ``unsaid`` why it may not be.
    """
    asked = expectation.asked
    if not part.pods or answer.traffic is None:
        yield part
        return
    if expectation.weighted and open_to_others(answer.traffic, asked, answer.headers):
        unsaid.append(f"{asked}: what becomes of it depends on others; write count instead of weight")
    for effect in effects(answer.traffic):
        share = replace(part, weight=part.weight * effect.share, delay=part.delay + effect.delay)
        if effect.aborts:
            reason = f"aborted by {answer.traffic.origin}"
            aborted = _status(effect, asked, unsaid)
            yield replace(share, pods=(), status=aborted, tries=1, path="", host="", headers=(), returns=(), reason=reason)
        elif open_to_others(answer.traffic, asked, answer.headers):
            yield from _as_written(share, answer, expectation, unsaid)
        else:
            yield share


def _status(effect: Effect, asked: Asked, unsaid: list[str]) -> Status:
    """What the client of an aborted request gets."""
    if isinstance(asked.call.request, GRPCCall):
        if effect.grpc_status is not None:
            return STATUSES[effect.grpc_status]
        status = effect.http_status or 0
        return "UNAVAILABLE" if status in _UNAVAILABLE else _BY_HTTP.get(status, "UNKNOWN")
    if effect.http_status is None:
        unsaid.append(f"{asked}: which status a request of HTTP has that grpcStatus aborts is left open; call gRPC")
    return effect.http_status or 0


def _as_written(part: Outcome, answer: Forwarded, expectation: RoutedExpectation, unsaid: list[str]) -> Iterator[Outcome]:
    """An outcome for each share of the case that is one of what may become of ``part``."""
    asked, retry = expectation.asked, answer.traffic.retry if answer.traffic is not None else None
    own = own_answers(answer.traffic, asked, answer.headers)
    most = 1 + (9 if answer.retry is not None or retry is not None else 0)
    found = False
    for share in expectation.shares:
        if share.pods and set(share.pods) <= set(part.pods):
            if share.status not in (part.status, asked.told.status, _OK, "OK") or share.tries > most:
                unsaid.append(f"{share.origin}: {share}: no pod answers so")
            found = True
            yield replace(part, pods=tuple(sorted(share.pods)), status=share.status, tries=share.tries)
        elif not share.pods and share.status in _known(own, asked):
            nobody = replace(part, pods=(), status=share.status, tries=1, path="", host="", headers=(), returns=())
            yield replace(nobody, reason=f"by {answer.traffic.origin}" if answer.traffic is not None else "")
    if not found:
        yield part


def _known(own: frozenset[int], asked: Asked) -> set[Status]:
    if isinstance(asked.call.request, GRPCCall):
        return {"UNAVAILABLE"} if own else set()
    return set(own)
