"""Rules about requests in the form in which the kernel can ask them: a method, and a path or the beginning of one.

What has no such form is left to the proxy. It is left out here, not refused: the kernel then allows less than it might.
"""

import re
from collections.abc import Iterable

from harness.mesh.l7layout import PATH_BYTES, RequestRule
from harness.model.cilium import HTTPRule

_METHOD = re.compile(r"[A-Z]{1,8}")
_LITERAL = re.compile(r"(?:[A-Za-z0-9/_~!@%&=:;,'\"<>#-]|\\[.+*?()\[\]{}^$|\\/_~!@&=:;,-])*")


def expressible(rules: Iterable[HTTPRule]) -> frozenset[RequestRule]:
    """Of ``rules``, of which a request must meet one, those that the kernel can ask."""
    return frozenset(found for rule in rules if (found := _expressed(rule)) is not None)


def _expressed(rule: HTTPRule) -> RequestRule | None:
    """``path`` and ``method`` are RE2 expressions that match the whole; the kernel knows literals, and ``.*`` at the end."""
    if rule.host or rule.headers or rule.header_matches:
        return None
    method = rule.method or ""
    if method and not _METHOD.fullmatch(method):
        return None
    expression = ".*" if rule.path is None or not rule.path else rule.path
    prefix = expression.endswith(".*") and not expression.endswith(r"\.*")
    literal = expression.removesuffix(".*") if prefix else expression
    if not _LITERAL.fullmatch(literal):
        return None
    path = re.sub(r"\\(.)", r"\1", literal).encode("ascii")
    if len(path) >= PATH_BYTES:
        return None
    return RequestRule(method.encode("ascii"), path, prefix)
