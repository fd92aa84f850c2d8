"""What a proxy makes of a request's path before any rule sees it.

Agents of Cilium's set ``http-normalize-path`` unless told otherwise: RFC 3986 normal form, slashes merged, and a path with an
escaped slash answered by a redirect to the path without the escape.
Source: https://docs.cilium.io/en/stable/cmdref/cilium-agent/ and RFC 3986, sections 5.2.4 and 6.2.2.
"""

import re
from string import ascii_letters, digits

_UNRESERVED = frozenset(ascii_letters + digits + "-._~")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


def escapes_slash(target: str) -> bool:
    """Whether the path of ``target`` holds ``%2F`` or ``%5C``."""
    return re.search(r"%(?:2f|5c)", target.partition("?")[0], re.IGNORECASE) is not None


def normal(target: str) -> str:
    """``target`` (a path with its query) as rules see it: escapes of plain letters undone, no dot segments, single slashes."""
    path, mark, query = target.partition("?")
    path = _ESCAPE.sub(_plain, path).replace("\\", "/")
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in (".", ""):
            kept.append(segment)
    closed = segments[-1] in ("", ".", "..") and kept
    return "/" + "/".join(kept) + ("/" if closed else "") + mark + query


def _plain(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0]
