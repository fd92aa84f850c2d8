"""The body of a request, read strictly: RFC 9112 sections 6 and 7."""

import re
from dataclasses import dataclass

from harness.oracle.wire.head import Head, Malformed

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})((?:[ \t]*;[ -~\t]*)?)")
_TRAILER = re.compile(rb"[A-Za-z0-9!#$%&'*+\-.^_`|~]+:[\t -~\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class Body:
    """A body; ``end`` is where in the data it ends. ``complete``: whether that was there."""

    content: bytes
    end: int
    complete: bool
    doubt: str = ""
    traits: tuple[str, ...] = ()


def read_body(head: Head, data: bytes, start: int) -> Body:
    """The body from ``start`` of ``data`` on. Raises Malformed."""
    codings, lengths = head.values("transfer-encoding"), head.values("content-length")
    if codings and lengths:
        raise Malformed("both Transfer-Encoding and Content-Length")
    if codings:
        if head.version == "1.0":
            raise Malformed("Transfer-Encoding in HTTP/1.0")
        if [each.lower() for each in codings] != ["chunked"]:
            raise Malformed("a Transfer-Encoding other than chunked")
        return _chunked(data, start)
    if not lengths:
        return Body(b"", start, complete=True)
    values = [value.strip(" \t") for each in lengths for value in each.split(",")]
    if not all(re.fullmatch(r"[0-9]+", value) for value in values):
        raise Malformed("a Content-Length that is no number")
    if len({int(value) for value in values}) > 1:
        raise Malformed("Content-Lengths that differ")
    doubt = "its Content-Length comes twice" if len(values) > 1 else ""
    end = start + int(values[0])
    content = data[start:end]
    traits = ("a body",) if content else ()
    return Body(content, min(end, len(data)), end <= len(data), doubt, traits)


def _chunked(data: bytes, start: int) -> Body:
    content, at, traits = b"", start, ["chunks"]
    while True:
        line_end = data.find(b"\r\n", at)
        line = data[at : line_end if line_end >= 0 else len(data)]
        found = _SIZE_LINE.fullmatch(line)
        if not found and (line_end >= 0 or b"\n" in line):
            raise Malformed("a chunk's size that is no number")
        if line_end < 0 or not found:
            return Body(content, len(data), complete=False, traits=tuple(traits))
        if found[2] and "an extension of a chunk" not in traits:
            traits.append("an extension of a chunk")
        size, at = int(found[1], 16), line_end + 2
        if not size:
            return _trailers(data, at, content, traits)
        content += data[at : at + size]
        closing = data[at + size : at + size + 2]
        if closing and not b"\r\n".startswith(closing):
            raise Malformed("a chunk that is longer than its size")
        if len(closing) < 2:
            return Body(content, len(data), complete=False, traits=tuple(traits))
        at += size + 2


def _trailers(data: bytes, at: int, content: bytes, traits: list[str]) -> Body:
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return Body(content, len(data), complete=False, traits=tuple(traits))
        line, at = data[at:line_end], line_end + 2
        if not line:
            return Body(content, at, complete=True, traits=tuple(traits))
        if not _TRAILER.fullmatch(line):
            raise Malformed("a trailer that is no header")
        if "a trailer" not in traits:
            traits.append("a trailer")
