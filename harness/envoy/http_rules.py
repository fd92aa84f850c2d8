"""What a rule of ``rules.http`` asks of a request, as Envoy's header matchers.

Cilium hands its rules to Envoy in the same terms, so this reads them as ``getHTTPRule`` of its pkg/envoy does: a regular
expression has to match the whole value, an empty field asks nothing, a header that comes several times is one value with
commas. Source: https://docs.cilium.io/en/stable/security/policy/language/#http
"""

from typing import Any

from harness.model.cilium import HTTPRule

HeaderMatcher = dict[str, Any]

_NO_HIDDEN_DOTS: HeaderMatcher = {
    "name": ":path",
    "string_match": {"safe_regex": {"regex": r"[^?]*/\.\.?;.*"}},
    "invert_match": True,
}
"""Envoy resolves ``/..;/`` when it puts a path in normal form, and makes it of ``/%2e%2e;/``: to a server that resolves it
too, that would be another path than the one that was judged."""


def header_matchers(rule: HTTPRule) -> list[HeaderMatcher]:
    """All that a request must meet, as ``envoy.config.route.v3.HeaderMatcher``; none where ``rule`` takes every request."""
    asked = {":path": rule.path, ":method": rule.method, ":authority": rule.host}
    found = [_whole(name, expression) for name, expression in asked.items() if expression]
    found += [_NO_HIDDEN_DOTS] if rule.path else []
    found += [_header(written) for written in rule.headers or ()]
    # with a mismatch action the rule is met whatever the header says
    found += [_valued(match.name, match.value) for match in rule.header_matches or () if match.mismatch is None]
    return found


def _whole(name: str, expression: str) -> HeaderMatcher:
    return {"name": name, "string_match": {"safe_regex": {"regex": expression}}}


def _header(written: str) -> HeaderMatcher:
    """``Name: value`` or ``Name``. As in Cilium a space ends the name, and then colons are cut off it."""
    name, space, value = written.partition(" ")
    if not space:
        return _present(name)
    return {"name": name.rstrip(":"), "string_match": {"exact": value}}


def _valued(name: str, value: str | None) -> HeaderMatcher:
    return {"name": name, "string_match": {"exact": value}} if value else _present(name)


def _present(name: str) -> HeaderMatcher:
    return {"name": name, "present_match": True}
