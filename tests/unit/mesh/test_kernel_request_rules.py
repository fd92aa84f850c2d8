"""Rules that the kernel asks take exactly what their expressions take; all others are left to the proxy."""

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from harness.mesh.l7layout import PATH_BYTES, RequestRule
from harness.mesh.requestrules import expressible
from harness.model.cilium import HeaderMatch, HTTPRule
from harness.model.origin import Origin

WHERE = Origin("p.yaml", 1)


def rule(path: str | None = None, method: str | None = None) -> RequestRule | None:
    found = expressible([HTTPRule(WHERE, method, path)])
    assert len(found) <= 1
    return next(iter(found), None)


def takes(found: RequestRule, method: str, path: str) -> bool:
    """As bpf/l7_judge.h asks the trie."""
    if found.method and found.method != method.encode():
        return False
    asked = path.encode()
    return asked.startswith(found.path) if found.prefix else asked == found.path


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        (None, None, RequestRule(b"", b"", True)),
        ("", "", RequestRule(b"", b"", True)),
        (".*", "GET", RequestRule(b"GET", b"", True)),
        ("/public/.*", "GET", RequestRule(b"GET", b"/public/", True)),
        ("/a", None, RequestRule(b"", b"/a", False)),
        (r"/a\.json", None, RequestRule(b"", b"/a.json", False)),
        (r"/a\.*", None, None),
        (r"/a\..*", None, RequestRule(b"", b"/a.", True)),
        ("/a.b", None, None),
        ("/(a|b)", None, None),
        ("/a?", None, None),
        ("/[a-z]+", None, None),
        ("(?i)/a", None, None),
        ("/a", "GET|POST", None),
        ("/a", "get", None),
        ("/" + "a" * PATH_BYTES, None, None),
    ],
)
def test_what_has_a_form_in_the_kernel(path: str | None, method: str | None, expected: RequestRule | None) -> None:
    assert rule(path, method) == expected


def test_rules_about_anything_else_are_the_proxys() -> None:
    about = [
        HTTPRule(WHERE, host="a"),
        HTTPRule(WHERE, headers=("X",)),
        HTTPRule(WHERE, header_matches=(HeaderMatch("x", "y"),)),
    ]
    assert not expressible(about)


PIECES = st.sampled_from([*"/ab.-_", ".*", r"\\.", "%", "+", "(", "|", ")", "[ab]", "?", r"\\d", "^", "$", "*"])
PATHS = st.lists(st.sampled_from(["/", "a", "b", ".", "-", "%", "+", "1", "?"]), max_size=6).map("".join)


@given(st.lists(PIECES, max_size=6).map("".join), PATHS)
def test_the_kernel_allows_only_what_the_expression_takes(expression: str, path: str) -> None:
    try:
        compiled = re2.compile(expression)
    except re2.error:
        return
    found = rule(expression)
    if found is not None and expression:
        assert takes(found, "GET", path) == bool(compiled.fullmatch(path))


def test_an_exact_path_is_no_prefix_in_the_trie() -> None:
    exact, prefix = RequestRule(b"GET", b"/a", False).key(1), RequestRule(b"GET", b"/a", True).key(1)
    assert exact[:4] == (8 * (4 + 8 + 3)).to_bytes(4, "little")
    assert prefix[:4] == (8 * (4 + 8 + 2)).to_bytes(4, "little")
