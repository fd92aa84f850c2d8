"""A connection, message by message, until what comes is no request."""

from harness.model.exchange import Reading, ReadMessage
from harness.model.request import HTTPRequest
from harness.oracle.wire.body import read_body
from harness.oracle.wire.head import Head, Malformed, read_head

_TRAITS = {
    "expect": "Expect",
    "upgrade": "Upgrade",
    "connection": "Connection",
}


def read(data: bytes) -> Reading:
    """The requests that are in ``data``, read from its beginning."""
    messages: list[ReadMessage] = []
    at = 0
    while at < len(data):
        try:
            message, last = _message(data, at)
        except Malformed as why:
            return Reading(messages, str(why))
        messages.append(message)
        at = message.end
        if not message.complete:
            return Reading(messages, "")
        if last and at < len(data):
            return Reading(messages, "more bytes behind a message that is the last")
    return Reading(messages)


def _message(data: bytes, start: int) -> tuple[ReadMessage, bool]:
    begin = start
    while data[begin : begin + 2] == b"\r\n":
        begin += 2
    end = data.find(b"\r\n\r\n", begin)
    # an LF of its own ends lines for lenient readers: what follows it must not be taken for more of this head
    if end < 0:
        raise Malformed("a bare LF in the head" if b"\n\n" in data[begin:] else "a head without an end")
    head = read_head(data[begin : end + 2])
    body = read_body(head, data, end + 4)
    doubts = [*head.doubts, *(["empty lines come before it"] if begin > start else []), *([body.doubt] if body.doubt else [])]
    doubts += [] if body.complete else ["its end is missing"]
    traits = [*head.traits, *body.traits, *_of_headers(head)]
    read_as = ReadMessage(_request(head), body.content, body.end, "; ".join(doubts), tuple(traits), body.complete)
    return read_as, _is_last(head)


def _request(head: Head) -> HTTPRequest:
    """The request; in the absolute form its host is the target's, whatever ``Host`` says (RFC 9112 section 3.2.2)."""
    hosts = head.values("host")
    host = head.authority if head.authority is not None else hosts[0] if hosts else None
    others = tuple((name, value) for name, value in head.headers if name.lower() != "host")
    return HTTPRequest(head.method, head.target, host, others)


def _of_headers(head: Head) -> list[str]:
    found = [trait for name, trait in _TRAITS.items() if head.values(name)]
    return [*(["HTTP/1.0"] if head.version == "1.0" else []), *found]


def _is_last(head: Head) -> bool:
    said = {word.strip().lower() for value in head.values("connection") for word in value.split(",")}
    return "close" in said or (head.version == "1.0" and "keep-alive" not in said) or head.method == "CONNECT"
