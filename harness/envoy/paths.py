"""Paths as an Envoy that normalises them writes them down."""

import posixpath
import re
from urllib.parse import unquote

_PLAIN_ESCAPES = re.compile(r"%(?:2[DEde]|3\d|4[1-9A-Fa-f]|5[0-9AFaf]|6[1-9A-Fa-f]|7[0-9AEae])")
"""Escapes of letters, digits, "-", ".", "_" and "~" (RFC 3986, section 2.3)."""


def normalised(target: str) -> str:
    """``target``, a path with its query, after ``normalize_path`` and ``merge_slashes``.

    Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
    """
    path, mark, query = target.partition("?")
    path = re.sub(r"/+", "/", _PLAIN_ESCAPES.sub(lambda escape: unquote(escape[0]), path).replace("\\", "/"))
    folder = path.endswith(("/", "/.", "/.."))
    resolved = posixpath.normpath(path)
    return resolved + ("/" if folder and resolved != "/" else "") + mark + query
