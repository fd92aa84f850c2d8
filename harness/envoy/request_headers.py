"""What becomes of a request's headers that a rule takes although one differs from what it names (``mismatch``).

Two filters for each such rule: RBAC finds out whether the rule takes the request (as shadow rules, which refuse nothing), and
a script changes what differs. They run in the rules' order, each on what the former left, as rules do in Cilium's proxy;
whether a request is refused has been decided before.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from harness.envoy.admission import Direction, Scope
from harness.envoy.request_rbac import Matcher, taking
from harness.model.cilium import HeaderMatch, HTTPRule

Filter = dict[str, Any]
MISMATCHES = "node-proxy.mismatches"
"""The metadata of a request whose headers differed where a rule says LOG: the value that was wanted, by header."""

_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_SCRIPT = """
function envoy_on_request(request)
  local found = request:streamInfo():dynamicMetadata():get("envoy.filters.http.rbac")
  if not found or found["{name}-shadow_engine_result"] ~= "allowed" then return end
  local headers = request:headers()
{actions}
end
"""
_ACTIONS = {
    "ADD": "headers:add({name}, {value})",
    "REPLACE": "headers:replace({name}, {value})",
    "LOG": 'local noted = request:streamInfo():dynamicMetadata() noted:set("{space}", {name}, {value}) '
    'noted:set("{space}", "any", true)',
}


def header_filters(scopes: Sequence[Scope], direction: Direction) -> list[Filter]:
    """The filters of all rules of one direction that change headers, in order."""
    found = [each for scope in scopes if scope.direction is direction for each in _changing(scope)]
    return [each for number, (when, rule) in enumerate(found) for each in _filters(f"{direction}-{number}", when, rule)]


def _changing(scope: Scope) -> Iterator[tuple[Matcher, HTTPRule]]:
    """Each rule that may change a header, and the policy of RBAC that says when it takes a request."""
    for admission in scope.admissions:
        for rule in admission.requests or ():
            when = taking(scope, admission, rule) if any(each.mismatch for each in rule.header_matches or ()) else None
            if when is not None:
                yield when, rule


def _filters(name: str, when: Matcher, rule: HTTPRule) -> list[Filter]:
    script = _SCRIPT.format(name=name, actions="\n".join(map(_statement, rule.header_matches or ())))
    return [
        {
            "name": f"{name}-rule",
            "typed_config": {
                "@type": f"{_FILTERS}.rbac.v3.RBAC",
                "shadow_rules": {"action": "ALLOW", "policies": {name: when}},
                "shadow_rules_stat_prefix": f"{name}-",
            },
        },
        {
            "name": f"{name}-headers",
            "typed_config": {
                "@type": f"{_FILTERS}.lua.v3.Lua",
                "default_source_code": {"inline_string": script},
                "clear_route_cache": False,  # else another backend may be chosen after one has been judged
            },
        },
    ]


def _statement(match: HeaderMatch) -> str:
    """What is done about one header, as a line of the script; nothing where RBAC has asked for it already."""
    name, value = _quoted(match.name), _quoted(match.value or "")
    held = f"headers:get({name})"
    differs = f"{held} ~= {value}" if match.value else f"{held} == nil"
    if match.mismatch == "DELETE":  # who asks for presence finds nothing to delete
        return f"  if {held} ~= nil and {differs} then headers:remove({name}) end"
    if match.mismatch is None:
        return ""
    return f"  if {differs} then {_ACTIONS[match.mismatch].format(name=name, value=value, space=MISMATCHES)} end"


def _quoted(text: str) -> str:
    """A string of Lua's, byte by byte, so that nothing in it can end it."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'
