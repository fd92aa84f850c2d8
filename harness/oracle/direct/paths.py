"""What a proxy makes of a request's path before any rule sees it.

Agents of Cilium's set ``http-normalize-path`` unless told otherwise: RFC 3986 normal form, slashes merged, and a path with an
escaped slash answered by a redirect to the path without the escape.
Source: https://docs.cilium.io/en/stable/cmdref/cilium-agent/ and RFC 3986, sections 5.2.4 and 6.2.2.
"""

import re
from string import ascii_letters, digits

_UNRESERVED = frozenset(ascii_letters + digits + "-._~")
_DOTS = (".", "..")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


def escapes_slash(target: str) -> bool:
    """Whether the path of ``target`` holds ``%2F`` or ``%5C``."""
    return re.search(r"%(?:2f|5c)", target.partition("?")[0], re.IGNORECASE) is not None


def normal(target: str) -> str:
    """``target`` (a path with its query) as rules see it: escapes of plain letters undone, no dot segments, single slashes.

    A dot segment with a parameter (``..;x``) is one too: some servers take it for that, and so does Envoy 1.40.
    """
    path, mark, query = target.partition("?")
    path = _ESCAPE.sub(_plain, path).replace("\\", "/")
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if _name(segment) == "..":
            del kept[-1:]
        elif _name(segment) != ".":
            kept.append(segment)
    kept = [segment for segment in kept if segment]  # merged last: an empty segment is one that `..` takes away
    closed = (segments[-1] == "" or _name(segments[-1]) in _DOTS) and kept
    return "/" + "/".join(kept) + ("/" if closed else "") + mark + query


def hides_dots(target: str) -> bool:
    """Whether a dot segment of ``target`` has a parameter and escaped dots.

    Envoy undoes the escapes, and then takes it for no dot segment: what it judges is not what it would judge.
    """
    segments = target.partition("?")[0].replace("\\", "/").split("/")
    return any(";" in each and _name(each) not in _DOTS and _name(_ESCAPE.sub(_plain, each)) in _DOTS for each in segments)


def _name(segment: str) -> str:
    return segment.partition(";")[0]


def _plain(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0]
