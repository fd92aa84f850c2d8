"""What Envoy is asked to match of a request for a rule of ``rules.http``."""

import pytest
import re2

from harness.envoy.http_rules import header_matchers
from harness.model.cilium import HeaderMatch, HTTPRule
from harness.model.origin import Origin

HERE = Origin("requests.yaml", 3)


def present(name: str) -> dict[str, object]:
    return {"name": name, "present_match": True}


def exact(name: str, value: str) -> dict[str, object]:
    return {"name": name, "string_match": {"exact": value}}


def test_a_rule_without_fields_asks_nothing() -> None:
    assert header_matchers(HTTPRule(HERE)) == []
    assert header_matchers(HTTPRule(HERE, "", "", "", (), ())) == []


def test_expressions_are_about_the_whole_of_path_method_and_authority() -> None:
    found = header_matchers(HTTPRule(HERE, method="GET|PUT", path="/a.*", host="shop"))[:3]
    assert {(each["name"], each["string_match"]["safe_regex"]["regex"]) for each in found} == {
        (":path", "/a.*"),
        (":method", "GET|PUT"),
        (":authority", "shop"),
    }


def test_a_rule_about_the_path_takes_none_that_hides_a_dot_segment() -> None:
    *_, hidden = header_matchers(HTTPRule(HERE, path="/a/.*"))
    assert (hidden["name"], hidden["invert_match"]) == (":path", True)
    expression = hidden["string_match"]["safe_regex"]["regex"]
    taken = [path for path in ("/a/..;/b", "/a/.;x", "/a/..", "/a/b..;/c", "/a?/..;/b") if re2.fullmatch(expression, path)]
    assert taken == ["/a/..;/b", "/a/.;x"]


@pytest.mark.parametrize(
    ("written", "matcher"),
    [
        ("X-Token: 42", exact("X-Token", "42")),
        ("X-Token 42", exact("X-Token", "42")),
        ("X-Token: a b", exact("X-Token", "a b")),
        ("X-Token:  42", exact("X-Token", " 42")),
        ("X-Token", present("X-Token")),
        ("X-Token:42", present("X-Token:42")),
    ],
)
def test_a_space_ends_a_headers_name(written: str, matcher: dict[str, object]) -> None:
    assert header_matchers(HTTPRule(HERE, headers=(written,))) == [matcher]


def test_header_matches_ask_for_a_value_or_for_presence() -> None:
    matches = (HeaderMatch("A", "1"), HeaderMatch("B"), HeaderMatch("C", ""))
    assert header_matchers(HTTPRule(HERE, header_matches=matches)) == [exact("A", "1"), present("B"), present("C")]


@pytest.mark.parametrize("action", ["LOG", "ADD", "DELETE", "REPLACE"])
def test_with_an_action_for_a_mismatch_the_rule_takes_any_header(action: str) -> None:
    assert header_matchers(HTTPRule(HERE, header_matches=(HeaderMatch("A", "1", action),))) == []
