"""What ``meshproof route --json`` prints: for each request, in their order, a list of possible answers.

These rows are the format.
docs/schemas/route.schema.json is generated from them; fields are only ever added.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.model.route import HeaderChanges
from harness.model.routing import Forwarded, Replied, RouteAnswer

FORMAT = 1  # raised when a program that read the output no longer could


@dataclass(frozen=True, slots=True)
class ChangesRow:
    """What a filter changes in the headers of the response: first ``set``, then ``add`` to what is there, then ``remove``."""

    set: Mapping[str, str]
    add: Mapping[str, str]
    remove: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MirrorRow:
    """A copy goes to this port of this Service, of ``numerator`` in ``denominator`` requests."""

    backend: str
    port: int
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class TimeoutRow:
    """Durations of Gateway API, as written; null where none is, "0s" for none at all."""

    request: str | None
    backend_request: str | None


@dataclass(frozen=True, slots=True)
class RetryRow:
    """As written; null where it is not."""

    codes: tuple[int, ...] | None
    attempts: int | None
    backoff: str | None


@dataclass(frozen=True, slots=True)
class BackendRow:
    """The request goes to a port of the Service ``backend``, as it stands here after all filters.

    Its share is ``weight`` over the sum of the weights of all answers. ``headers`` are without Host, which is ``host``; values
    of one name are joined by commas. ``rule``: file:line of the deciding rule; null where no route does.
    ``traffic``: file:line of the BackendTrafficPolicy that the request is under; left out where there is none.
    """

    backend: str
    weight: int
    path: str
    headers: Mapping[str, str]
    host: str
    port: int
    rule: str | None
    response_headers: tuple[ChangesRow, ...]
    mirror: tuple[MirrorRow, ...]
    timeout: TimeoutRow | None
    retry: RetryRow | None
    traffic: str | None = None


@dataclass(frozen=True, slots=True)
class StatusRow:
    """The client is answered by the mesh or the Gateway itself: redirected, or refused for the ``reason`` given.

    Errors of gRPC have status 200 and the header ``grpc-status``. ``weight`` and ``rule`` as where there is a backend.
    """

    status: int
    weight: int
    headers: Mapping[str, str]
    rule: str | None
    reason: str


def routing_json(answers: Sequence[Sequence[RouteAnswer]]) -> str:
    """The answers as JSON."""
    return json.dumps([[_written(_row(each)) for each in several] for several in answers], indent=2)


def _written(row: BackendRow | StatusRow) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name != "traffic" or value is not None}


def _row(given: RouteAnswer) -> BackendRow | StatusRow:
    rule = None if given.rule is None else str(given.rule)
    if isinstance(given, Replied):
        return StatusRow(given.status, given.weight, dict(given.headers), rule, given.reason)
    return _backend(given, rule)


def _backend(given: Forwarded, rule: str | None) -> BackendRow:
    timeouts, retry = given.timeouts, given.retry
    return BackendRow(
        backend=given.backend,
        weight=given.weight,
        path=given.path,
        headers=dict(given.headers),
        host=given.host,
        port=given.port,
        rule=rule,
        response_headers=tuple(_changes(each) for each in given.response),
        mirror=tuple(MirrorRow(each.backend, each.port, each.numerator, each.denominator) for each in given.mirrors),
        timeout=None if timeouts is None else TimeoutRow(timeouts.request, timeouts.backend_request),
        retry=None if retry is None else RetryRow(retry.codes, retry.attempts, retry.backoff),
        traffic=None if given.traffic is None else str(given.traffic.origin),
    )


def _changes(changes: HeaderChanges) -> ChangesRow:
    return ChangesRow(
        {each.name: each.value for each in changes.set or ()},
        {each.name: each.value for each in changes.add or ()},
        tuple(changes.remove or ()),
    )


def schema_text() -> str:
    """The JSON Schema of the output, as committed."""
    from pydantic import TypeAdapter  # noqa: PLC0415 -- for the schema alone

    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": f"format {FORMAT}"}
    body = head | TypeAdapter(list[list[BackendRow | StatusRow]]).json_schema() | {"title": "meshproof route --json"}
    return json.dumps(body, indent=2) + "\n"
