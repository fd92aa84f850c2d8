"""Paths as an Envoy that normalises them writes them down."""

import re
from urllib.parse import unquote

_PLAIN_ESCAPES = re.compile(r"%(?:2[DEde]|3\d|4[1-9A-Fa-f]|5[0-9AFaf]|6[1-9A-Fa-f]|7[0-9AEae])")
"""Escapes of letters, digits, "-", ".", "_" and "~" (RFC 3986, section 2.3)."""

_PARAMETER_OF_DOTS = re.compile(r"(?<=/)(\.{1,2});[^/]*")
"""It is dropped with the dot segment; where the dots are escaped, the segment stays."""


def normalised(target: str) -> str:
    """``target``, a path with its query, after ``normalize_path`` and ``merge_slashes``.

    Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
    """
    path, mark, query = target.partition("?")
    path = _PARAMETER_OF_DOTS.sub(r"\1", path.replace("\\", "/"))
    path = _PLAIN_ESCAPES.sub(lambda escape: unquote(escape[0]), path)
    return re.sub(r"/+", "/", _without_dots(path)) + mark + query


def _without_dots(path: str) -> str:
    """RFC 3986, section 5.2.4: an empty segment is one that ``..`` takes away."""
    done = last = ""
    for last in re.findall(r"/[^/]*", path):
        if last == "/..":
            done = done.rpartition("/")[0]
        elif last != "/.":
            done += last
    return done + ("/" if last in ("/.", "/..") else "")
