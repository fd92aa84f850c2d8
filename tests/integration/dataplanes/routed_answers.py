"""Whether what a client and a backend saw of a request is one of the answers that the oracle gives."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from http_ends import Seen
from service_clients import Answer
from service_world import PODS

from harness.envoy.request_denials import BODY
from harness.model.routing import Forwarded, Replied, RouteAnswer

REPLIES_OWN = {"content-length", "date", "server", "content-type"}
"""Headers of answers that are no route's."""


Admits = Callable[[str, Forwarded], bool]
"""Whether policy lets a pod (``namespace/name``) have a request that is forwarded."""


def everybody(pod: str, expected: Forwarded) -> bool:
    return True


def agrees(expected: Sequence[RouteAnswer], answer: Answer, seen: Seen | None, admits: Admits = everybody) -> bool:
    return any(
        _replied(each, answer, seen)
        if isinstance(each, Replied)
        else any(
            _forwarded(each, answer, seen) and answer.body == pod if admits(pod, each) else _refused(answer, seen)
            for pod in (f"shop/{name}" for name in PODS[each.backend.removeprefix("shop/")])
        )
        for each in expected
    )


def _refused(answer: Answer, seen: Seen | None) -> bool:
    return seen is None and (answer.status, answer.body) == (403, BODY)


def _forwarded(expected: Forwarded, answer: Answer, seen: Seen | None) -> bool:
    if seen is None or answer.status != 200:
        return False
    told = joined(line.decode().split(": ", 1) for line in seen.lines)
    host = told.pop("host")
    told.pop("content-length", None)  # of a POST without a body
    response: dict[str, str] = {}
    for changes in expected.response:
        response |= {header.name.lower(): header.value for header in changes.set or ()}
        for header in changes.add or ():
            held = response.get(header.name.lower())
            response[header.name.lower()] = header.value if held is None else f"{held},{header.value}"
        response = {name: value for name, value in response.items() if name not in map(str.lower, changes.remove or ())}
    return (
        (seen.target, host) == (expected.path, expected.host)
        and told == {name.lower(): value for name, value in expected.headers.items()}
        and others(answer.headers) == response
    )


def _replied(expected: Replied, answer: Answer, seen: Seen | None) -> bool:
    wanted = {name.lower(): value for name, value in expected.headers.items()}
    return seen is None and answer.status == expected.status and others(answer.headers) == wanted


def others(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in REPLIES_OWN}


def joined(pairs: Iterable[Sequence[str]]) -> dict[str, str]:
    """Headers by name in lower case; those of one name joined by commas."""
    found: dict[str, str] = {}
    for name, value in pairs:
        held = found.get(name.lower())
        found[name.lower()] = value if held is None else f"{held},{value}"
    return found
