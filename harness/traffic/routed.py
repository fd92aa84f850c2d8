"""Requests to Services and Gateways: what clients in pods, and outside, ask (requests.c), and the answers that they get."""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any

from harness.lab.build import c_program
from harness.lab.ends import end
from harness.lab.port import Lab, LabError
from harness.model.call import STATUSES, GRPCCall
from harness.model.request import HTTPRequest
from harness.model.routed import Asked, Headers, RoutedAnswer, Told
from harness.traffic.calls import asking
from harness.traffic.calls.programs import CallPrograms
from harness.traffic.exchange import answers
from harness.traffic.port import LoadFailed
from harness.traffic.probe import CRLF, GRACE
from harness.traffic.tool import failure, not_understood

SOURCE = Path(__file__).with_name("requests.c")
ANSWER_SECONDS = 10.0
"""Of silence before a request is given up: each is answered, if only by an error, so that patience costs nothing."""

CALLS_AT_ONCE = 20
OWN = "probe"
"""What names of headers begin with by which clients and servers of the lab understand each other."""

_WITH_BODY = ("POST", "PUT", "PATCH")
_NO_REASON = "As Told"
_MICRO = 1_000_000

Answered = list[tuple[int, RoutedAnswer]]
"""The nonce of each time that a request was asked, by which its server knows it, and its answer."""


def ask(
    requests: Sequence[Asked], lab: Lab, addresses: Mapping[str, Sequence[str]], programs: CallPrograms | None
) -> list[Answered]:
    """What came of each of ``requests``, in their order; those of different clients are asked at the same time.

    ``addresses`` are those of each Service, and of each Gateway by its ``place``, of IPv4 and of IPv6. ``programs`` make calls
    of gRPC.
    Raises LoadFailed where one could not be asked.
    """
    by_client: dict[str, list[int]] = {}
    for index, asked in enumerate(requests):
        by_client.setdefault(asked.call.source, []).append(index)

    def of(client: str) -> dict[int, Answered]:
        plain = [index for index in by_client[client] if isinstance(requests[index].call.request, HTTPRequest)]
        found = dict(zip(plain, _ask(client, [requests[index] for index in plain], lab, addresses), strict=True))
        for index in by_client[client]:
            if index not in found:
                found[index] = _call(requests[index], _address(requests[index], addresses), programs)
        return found

    seen: dict[int, Answered] = {}
    with ThreadPoolExecutor(max(1, len(by_client))) as pool:
        for found in pool.map(of, by_client):
            seen |= found
    return [seen[index] for index in range(len(requests))]


def _ask(client: str, requests: Sequence[Asked], lab: Lab, addresses: Mapping[str, Sequence[str]]) -> list[Answered]:
    if not requests:
        return []
    nonces = [random.getrandbits(63) + 1 for _ in requests]
    lines = "".join(
        f"{_address(asked, addresses)} {asked.call.port} {asked.times} {asked.together:d} {round(asked.after * 1000)} "
        f"{nonce:016x} {head(asked).hex()}\n"
        for asked, nonce in zip(requests, nonces, strict=True)
    )
    silence = ANSWER_SECONDS + max(asked.told.delay for asked in requests)
    try:
        argv = [str(c_program(SOURCE)), repr(silence)]
        patience = len(requests) * silence + sum(asked.after for asked in requests) + GRACE
        done = end(lab, client).run(argv, component="probe", seconds=patience, stdin=lines, check=False)
    except (LabError, KeyError) as error:
        raise LoadFailed(f"{len(requests)} requests of {client} could not be asked: {error}") from error
    if done.status != 0:
        raise failure(f"{len(requests)} requests of {client}: requests", done.status, done.stderr)
    said = done.stdout.splitlines()
    if len(said) != sum(asked.times for asked in requests):
        raise not_understood("requests", done.stdout)
    told = iter(said)
    answered = [
        [(nonce + number, answer(line, asked)) for number, line in enumerate(islice(told, asked.times))]
        for asked, nonce in zip(requests, nonces, strict=True)
    ]
    for asked, times in zip(requests, answered, strict=True):
        _at_one_time(asked, [each for _, each in times])
    return answered


def _at_one_time(asked: Asked, answered: Sequence[RoutedAnswer]) -> None:
    """Raises LoadFailed where servers answered the first of requests that go together before the last was sent."""
    late = [each.ended for each in answered if each.ended - each.began >= asked.told.delay]
    if asked.together and asked.told.delay and late and min(late) <= max(each.began for each in answered):
        raise LoadFailed(f"{asked}: the first was answered before the last was sent: they were not there at one time")


def _address(asked: Asked, addresses: Mapping[str, Sequence[str]]) -> str:
    for address in addresses.get(asked.call.place, ()):
        if (":" in address) == (asked.family == 6):
            return address
    kind = "Gateway" if asked.call.to_gateway else "Service"
    raise LoadFailed(f"{asked} could not be asked: {kind} {asked.call.destination} has no address")


def head(asked: Asked) -> bytes:
    """The head of a request as it is sent, but for the header that says its nonce and the empty line."""
    request = asked.call.request
    if not isinstance(request, HTTPRequest):
        raise LoadFailed(f"{asked} is no request of HTTP")
    headers = [("Host", request.host or ""), *request.headers, *_telling(asked.told)]
    headers += [("Content-Length", "0")] if request.method in _WITH_BODY else []
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), ""]
    return CRLF.join(lines).encode("latin-1")


def _telling(told: Told) -> Headers:
    """What responder.c understands."""
    said = []
    if told.status != HTTPStatus.OK:
        known = told.status in HTTPStatus.__members__.values()
        said.append(("Probe-Status", f"{told.status} {HTTPStatus(told.status).phrase if known else _NO_REASON}"))
    if told.delay:
        said.append(("Probe-Delay", str(round(told.delay * 1000))))
    if told.only is not None:
        said.append(("Probe-Only", told.only))
    if told.first is not None:
        said.append(("Probe-First", str(told.first)))
    if told.headers:
        said.append(("Probe-Headers", "|".join(f"{name}: {value}" for name, value in told.headers)))
    return tuple(said)


def answer(line: str, asked: Asked) -> RoutedAnswer:
    """What a line that requests.c printed says. Who answers says so in the body, which an answer to HEAD does not have."""
    try:
        end, sent, received, data = line.split()
        came = b"" if data == "-" else bytes.fromhex(data)
        began, ended = int(sent) / _MICRO, int(received) / _MICRO
    except ValueError:
        raise not_understood("requests", line) from None
    method = getattr(asked.call.request, "method", "GET")
    found, rest = answers(came, [method])
    if len(found) != 1:
        return RoutedAnswer(None, end=f"{end}, then {rest}" if rest else end, began=began, ended=ended)
    said = found[0].body.decode("latin-1").strip()
    by = None if method == "HEAD" else said
    return RoutedAnswer(found[0].status, by, joined(found[0].headers), end, began, ended)


def joined(headers: Sequence[tuple[str, str]]) -> Headers:
    """Headers by names in lower case; several of one name are one, joined by commas."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    return tuple((name, ",".join(each)) for name, each in values.items())


def _call(asked: Asked, address: str, programs: CallPrograms | None) -> Answered:
    """The same of a call of gRPC; calls that are made several times share a connection, and some are made at a time."""
    call = asked.call.request
    if programs is None or not isinstance(call, GRPCCall):
        raise LoadFailed(f"{asked} could not be asked: no client of gRPC runs")
    client = programs.clients[asked.call.source]
    things = [asking.thing(call, address, asked.call.port, call.host or "", ANSWER_SECONDS) for _ in range(asked.times)]
    over = None if asked.times == 1 else f"service-{random.getrandbits(64):016x}"
    said = []
    for first in range(0, len(things), CALLS_AT_ONCE):
        some = things[first : first + CALLS_AT_ONCE]
        said += client.do([{**each, "do": "ask", "connection": over} for each in some])
    if over is not None:
        client.do([{"do": "close", "connection": over}])
    nonces = [int(str(dict(each["metadata"])["probe"]), 16) for each in things]
    return [(nonce, _ended(each)) for nonce, each in zip(nonces, said, strict=True)]


def _ended(said: Mapping[str, Any]) -> RoutedAnswer:
    """What a client says came of a call. One that ended well and lost messages has no status that anybody expects."""
    status = STATUSES[int(said["code"])]
    if status == STATUSES[0] and not said["whole"]:
        return RoutedAnswer(None, said["by"], end="OK, but not every message was answered")
    return RoutedAnswer(status, said["by"], joined(said.get("headers", ())), str(said["details"]).strip())
