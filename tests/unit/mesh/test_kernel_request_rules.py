"""Rules that the kernel asks take exactly what their expressions take; all others are left to the proxy."""

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mesh.l7layout import PATH_BYTES, RequestRule
from harness.mesh.requestrules import expressible
from harness.model.cilium import HeaderMatch, HTTPRule
from harness.model.origin import Origin

WHERE = Origin("p.yaml", 1)


def rules(path: str | None = None, method: str | None = None) -> frozenset[RequestRule]:
    return expressible([HTTPRule(WHERE, method, path)])


def exactly(*paths: bytes, method: bytes = b"") -> set[RequestRule]:
    return {RequestRule(method, path, False) for path in paths}


def beginning(*paths: bytes, method: bytes = b"") -> set[RequestRule]:
    return {RequestRule(method, path, True) for path in paths}


def takes(found: RequestRule, method: str, path: str) -> bool:
    """As bpf/l7_judge.h asks the trie."""
    if found.method and found.method != method.encode():
        return False
    asked = path.encode()
    return asked.startswith(found.path) if found.prefix else asked == found.path


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        (None, None, beginning(b"")),
        ("", "", beginning(b"")),
        (".*", "GET", beginning(b"", method=b"GET")),
        ("/public/.*", "GET", beginning(b"/public/", method=b"GET")),
        ("/a", None, exactly(b"/a")),
        (r"/a\.json", None, exactly(b"/a.json")),
        (r"/a\..*", None, beginning(b"/a.")),
        ("/(a|b)", None, exactly(b"/a", b"/b")),
        ("/(?:a|b/.*)", None, exactly(b"/a") | beginning(b"/b/")),
        ("/a?", None, exactly(b"/", b"/a")),
        ("/.*?", None, exactly(b"/") | beginning(b"/")),
        ("/a(/.*)?", None, exactly(b"/a") | beginning(b"/a/")),
        ("/v[12x]/.*", None, beginning(b"/v1/", b"/v2/", b"/vx/")),
        ("/v[0-9]", None, exactly(*(b"/v%d" % each for each in range(10)))),
        ("/a", "GET|HEAD", exactly(b"/a", method=b"GET") | exactly(b"/a", method=b"HEAD")),
        ("/a", ".*", exactly(b"/a")),
        ("/a", "GET|get", exactly(b"/a", method=b"GET")),
        (f"/a|/{'b' * PATH_BYTES}", None, exactly(b"/a")),
    ],
)
def test_what_has_a_form_in_the_kernel(path: str | None, method: str | None, expected: set[RequestRule]) -> None:
    assert rules(path, method) == expected


@pytest.mark.parametrize(
    "path",
    [
        r"/a\.*", "/a.b", "/[a-z]+", "(?i)/a", "/a*", "/a+", "/.*/b", "/a??", "/a{2}", "/[^a]", "/[[:alpha:]]",
        r"/\d", r"/\Qa\E", "^/a", "/a$", "/(a", "/a)", "/[a", "/[z-a]", "/[A-z]", "/[]", "/(?P<n>a)", "/[a-z][a-z]",
        "/" + "a" * PATH_BYTES,
    ],
)  # fmt: skip
def test_other_expressions_are_the_proxys(path: str) -> None:
    assert not rules(path)


def test_rules_about_anything_else_are_the_proxys() -> None:
    about = [
        HTTPRule(WHERE, host="a"),
        HTTPRule(WHERE, headers=("X",)),
        HTTPRule(WHERE, header_matches=(HeaderMatch("x", "y"),)),
    ]
    assert not expressible(about)


PIECES = st.sampled_from(
    [
        *"/ab.-_", ".*", r"\.", "%", "+", "(", "(?:", "(?i:", "|", ")", "[ab]", "[a-c]", "[^a]", "[[:alpha:]]", "?", r"\d",
        "^", "$", "*", "{2}", "(a|b)", "(/.*)?", r"\Q", r"\E", "]", "[",
    ]
)  # fmt: skip
PATHS = st.lists(st.sampled_from(["/", "a", "b", "c", ".", "-", "%", "+", "1", "?", "["]), max_size=6).map("".join)


@settings(max_examples=1000)
@given(st.lists(PIECES, max_size=7).map("".join), st.lists(PATHS, min_size=1, max_size=8))
def test_the_kernel_allows_what_the_expression_takes_or_nothing(expression: str, paths: list[str]) -> None:
    try:
        compiled = re2.compile(expression)
    except re2.error:
        return
    found = rules(expression)
    if found and expression:
        for path in paths:
            assert any(takes(each, "GET", path) for each in found) == bool(compiled.fullmatch(path))


def test_an_exact_path_is_no_prefix_in_the_trie() -> None:
    exact, prefix = RequestRule(b"GET", b"/a", False).key(1), RequestRule(b"GET", b"/a", True).key(1)
    assert exact[:4] == (8 * (4 + 8 + 3)).to_bytes(4, "little")
    assert prefix[:4] == (8 * (4 + 8 + 2)).to_bytes(4, "little")
