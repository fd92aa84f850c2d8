"""The head of a request, read strictly: RFC 9112 sections 3 and 5, RFC 9110 sections 5.5, 5.6.2 and 9.1.

What a server MUST reject, or what readers are known to take in different ways, is malformed. What it MAY refuse is in doubt.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONG = 8000
"""Octets: no shorter request line may be refused for its length (RFC 9112 section 3); longer ones, and heads, may."""

MANY = 100
"""Headers: what servers bear differs, and common limits are 100 (nginx has none, Apache httpd and Envoy have)."""

COMMON = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
_TARGET = re.compile(r"[!-~]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_USER = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:]*@")
_AUTHORITY = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")
_ABSOLUTE = re.compile(r"(?i:https?)://([^/?#]*)([/?].*)?")


class Malformed(Exception):
    """Why bytes are no request."""


@dataclass(frozen=True, slots=True)
class Head:
    """A head. ``target`` is a path with its query, ``*`` or an authority; ``authority`` that of the absolute form."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]
    authority: str | None
    doubts: tuple[str, ...]
    traits: tuple[str, ...]

    def values(self, name: str) -> list[str]:
        """The values of a header, in their order."""
        return [value for each, value in self.headers if each.lower() == name]


def read_head(data: bytes) -> Head:
    """The head in ``data``, which ends before the empty line's CRLF. Raises Malformed."""
    text = data.decode("latin-1")
    for character, name in (("\0", "a NUL"), ("\n", "a bare LF"), ("\r", "a bare CR")):
        if character in text.replace("\r\n", ""):
            raise Malformed(f"{name} in the head")
    line, *fields = text.removesuffix("\r\n").split("\r\n")
    method, target, version = _request_line(line)
    headers = tuple(_field(each) for each in fields)
    path, authority, form = _form(method, target)
    head = Head(
        method,
        path,
        version,
        headers,
        authority,
        tuple(_doubts(method, path, version, headers, line, len(data))),
        tuple([form] if form else []),
    )
    _check_host(head)
    return head


def _request_line(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3:
        raise Malformed("a request line that is not three words with a space between")
    method, target, version = parts
    if not _TOKEN.fullmatch(method):
        raise Malformed("a method that is no token")
    if not _TARGET.fullmatch(target) or "#" in target:
        raise Malformed("a target with characters that no URI has")
    if not re.fullmatch(r"HTTP/1\.[01]", version):
        raise Malformed("a version that is neither HTTP/1.0 nor HTTP/1.1")
    return method, target, version.removeprefix("HTTP/")


def _field(line: str) -> tuple[str, str]:
    if line[:1] in (" ", "\t"):
        raise Malformed("a header line that is folded")
    name, colon, value = line.partition(":")
    if not colon:
        raise Malformed("a header line without a colon")
    if not _TOKEN.fullmatch(name):
        raise Malformed("a space before a header's colon" if name.rstrip(" \t") != name else "a header whose name is no token")
    if not _VALUE.fullmatch(value):
        raise Malformed("a control character in a header")
    return name, value.strip(" \t")


def _form(method: str, target: str) -> tuple[str, str | None, str]:
    """The target as a path, the authority of an absolute one, and what form it has unless that is the usual one."""
    if absolute := _ABSOLUTE.fullmatch(target):
        if not absolute[1] or not _AUTHORITY.fullmatch(absolute[1]):
            raise Malformed("an absolute target without a host")
        rest = absolute[2] or "/"
        return (rest if rest.startswith("/") else f"/{rest}"), absolute[1], "absolute form"
    if target.startswith("/"):
        return target, None, ""
    if target == "*" and method == "OPTIONS":
        return target, None, "asterisk form"
    if method == "CONNECT":
        return target, None, "authority form"
    raise Malformed("a target that is neither a path nor an absolute URI")


def _doubts(
    method: str, target: str, version: str, headers: tuple[tuple[str, str], ...], line: str, size: int
) -> Iterator[str]:
    names = {name.lower() for name, _ in headers}
    if method == "CONNECT" or not target.startswith("/"):
        yield "it asks for no path"
    elif method not in COMMON:
        yield "its method need not be known"
    if len(line) > LONG or size > LONG:
        yield f"its head is longer than {LONG} bytes"
    if version == "1.0" and "host" not in names:
        yield "it is of HTTP/1.0 and names no host"
    if len(headers) > MANY:
        yield f"it has more than {MANY} headers"
    if any(_USER.match(value) for name, value in headers if name.lower() == "host"):
        yield "its Host names a user"
    if re.search("%00", target.partition("?")[0]):
        yield "its path holds a NUL that is escaped"
    if "upgrade" in names:
        yield "it asks for another protocol"


def _check_host(head: Head) -> None:
    hosts = head.values("host")
    if len(hosts) > 1:
        raise Malformed("two Hosts")
    if not hosts and head.version == "1.1":
        raise Malformed("no Host")
    if hosts and not _AUTHORITY.fullmatch(_USER.sub("", hosts[0], count=1)):
        raise Malformed("a Host that is none")
