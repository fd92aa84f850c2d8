"""Rules about requests in the form in which the kernel can ask them: a method, and a path or the beginning of one.

What has no such form is left to the proxy. It is left out here, not refused: the kernel then allows less than it might.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.mesh.texts import MOST, Text, texts
from harness.model.cilium import HTTPRule

PATH_BYTES = 232
"""Of a rule's path in the kernel, its end included."""

KEY = struct.Struct(f"=II8s{PATH_BYTES}s")  # prefix length in bits of what follows, set, method, path
_METHOD = re.compile(r"[A-Z]{1,8}")
_ANY = ".*"


@dataclass(frozen=True, slots=True)
class RequestRule:
    """Requests with this method (empty: any) and this path and query, or any that begins so (``prefix``)."""

    method: bytes
    path: bytes
    prefix: bool

    def key(self, set_number: int) -> bytes:
        """Its key in the trie of rules, as one of the set of this number."""
        path = self.path if self.prefix else self.path + b"\0"
        return KEY.pack(8 * (4 + 8 + len(path)), set_number, self.method, path)


def expressible(rules: Iterable[HTTPRule]) -> frozenset[RequestRule]:
    """Of ``rules``, of which a request must meet one, those that the kernel can ask."""
    return frozenset(found for rule in rules for found in _expressed(rule))


def _expressed(rule: HTTPRule) -> Iterator[RequestRule]:
    """``path`` and ``method`` are RE2 expressions that match the whole; the kernel knows texts, and beginnings of paths."""
    if rule.host or rule.headers or rule.header_matches:
        return
    methods, paths = texts(rule.method or _ANY), texts(rule.path or _ANY)
    if methods is None or paths is None or len(methods) * len(paths) > MOST:
        return
    for method in methods:
        if method == Text("", open=True) or (not method.open and _METHOD.fullmatch(method.text)):
            for path in paths:
                if len(path.text) < PATH_BYTES:
                    yield RequestRule(method.text.encode("ascii"), path.text.encode("ascii"), path.open)
