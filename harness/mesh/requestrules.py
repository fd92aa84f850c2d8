"""Rules about requests in the form in which the kernel can ask them: a method, and a path or the beginning of one.

What has no such form is left to the proxy. It is left out here, not refused: the kernel then allows less than it might.
"""

import re
from collections.abc import Iterable, Iterator

from harness.mesh.l7layout import PATH_BYTES, RequestRule
from harness.mesh.texts import MOST, Text, texts
from harness.model.cilium import HTTPRule

_METHOD = re.compile(r"[A-Z]{1,8}")
_ANY = ".*"


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
