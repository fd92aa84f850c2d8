"""Bytes that a client in a pod sends as they are (exchange.c), and the answers that it reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.lab.build import c_program
from harness.lab.port import Lab, LabError
from harness.model.exchange import Exchange, HTTPAnswer, Sends
from harness.traffic.port import LoadFailed
from harness.traffic.probe import GRACE, SILENCE
from harness.traffic.tool import failure, not_understood

SOURCE = Path(__file__).with_name("exchange.c")
_BODILESS = (204, 304)


@dataclass(frozen=True, slots=True)
class Received:
    """All that came back; ``end`` is closed, silent or an error's name."""

    end: str
    data: bytes


def pieces(exchange: Exchange) -> Iterator[bytes]:
    """The sends of an exchange, in their order."""
    if exchange.sends is Sends.IN_TURN:
        yield from exchange.messages
    else:
        yield from cut(b"".join(exchange.messages), exchange.sends)


def cut(data: bytes, sends: Sends | tuple[int, ...]) -> Iterator[bytes]:
    """``data`` in one piece, byte by byte, or in pieces of these sizes and then the rest."""
    sizes = (1,) * len(data) if sends is Sends.BYTEWISE else () if isinstance(sends, Sends) else sends
    at = 0
    for size in (*sizes, len(data)):
        if data[at : at + size]:
            yield data[at : at + size]
        at += size


def send(exchange: Exchange, lab: Lab, seconds: float = SILENCE) -> Received:
    """Send it once from its client and read until the connection is closed or nothing came for ``seconds`` (pulse.h).

    Raises LoadFailed where it could not be tried.
    """
    try:
        client, address = lab.pod(exchange.source), lab.pod(exchange.destination).pod.ip(exchange.family)
        argv = [str(c_program(SOURCE)), repr(seconds), address, str(exchange.port)]
        argv += ["turns"] if exchange.sends is Sends.IN_TURN else []
        lines = "".join(f"{piece.hex()}\n" for piece in pieces(exchange))
        done = client.run(argv, component="probe", seconds=seconds + GRACE, stdin=lines, check=False)
    except (LabError, KeyError) as error:
        raise LoadFailed(f"{exchange} could not be tried: {error}") from error
    if done.status != 0:
        raise failure(f"{exchange}: exchange", done.status, done.stderr)
    try:
        end, data = done.stdout.split()
        return Received(end, b"" if data == "-" else bytes.fromhex(data))
    except ValueError:
        raise not_understood("exchange", done.stdout) from None


def answers(data: bytes, methods: Sequence[str]) -> tuple[list[HTTPAnswer], str]:
    """The final answers in ``data``, to requests of these methods in turn, and what is behind them that is no answer."""
    found: list[HTTPAnswer] = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        words = head.split(b"\r\n")[0].split(b" ", 2)
        if not end or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            return found, f"{data[:60]!r}, which is no answer"
        status = int(words[1])
        if status // 100 == 1 and status != 101:
            data = rest
            continue
        lines = [(name.strip(), value.strip()) for name, _, value in (each.partition(b":") for each in head.split(b"\r\n")[1:])]
        headers = {name.lower(): value for name, value in lines}
        method = methods[len(found)] if len(found) < len(methods) else "GET"
        body, data = _body(headers, rest, bodiless=method == "HEAD" or status in _BODILESS or status == 101)
        if body is None:
            return found, f"a part of an answer with status {status}"
        found.append(
            HTTPAnswer(status, body, tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in lines))
        )
    return found, ""


def _body(headers: dict[bytes, bytes], rest: bytes, *, bodiless: bool) -> tuple[bytes | None, bytes]:
    """The body at the beginning of ``rest``, None where not all of it is there, and what follows it."""
    if bodiless:
        return b"", rest
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return _chunks(rest)
    if b"content-length" not in headers:
        return rest, b""
    size = int(headers[b"content-length"])
    return (rest[:size] if len(rest) >= size else None), rest[size:]


def _chunks(rest: bytes) -> tuple[bytes | None, bytes]:
    body = b""
    while True:
        line, end, rest = rest.partition(b"\r\n")
        if not end:
            return None, b""
        size = int(line.partition(b";")[0], 16)
        if not size:
            _, end, rest = (b"\r\n" + rest).partition(b"\r\n\r\n")
            return (body if end else None), rest
        body, rest = body + rest[:size], rest[size + 2 :]
