"""The filters by which a node's Envoy changes headers that differ from what a rule names."""

import re

import pytest

from harness.envoy import request_resources
from harness.envoy.admission import Admission, Direction, Peers, Scope
from harness.envoy.node_tuning import DEFAULTS
from harness.envoy.request_headers import header_filters
from harness.envoy.request_rules import rules_of
from harness.envoy.resources import message
from harness.model.cilium import HeaderMatch, HTTPRule
from harness.model.origin import Origin

HERE = Origin("requests.yaml", 3)
CLIENT = Peers(("10.0.0.1",))


def changing(*matches: HeaderMatch) -> HTTPRule:
    return HTTPRule(HERE, header_matches=matches)


def scope(*requests: HTTPRule, direction: Direction = Direction.INGRESS, others: tuple[Admission, ...] = ()) -> Scope:
    admissions = (Admission(HERE, CLIENT, requests), *others)
    return Scope(direction, ("10.0.0.2",), 80, 80, True, admissions, HERE)


def scripts(*scopes: Scope) -> list[str]:
    found = header_filters(scopes, Direction.INGRESS)
    return [each["typed_config"]["default_source_code"]["inline_string"] for each in found[1::2]]


def read(script: str) -> str:
    """The script with its strings as they are meant."""
    return re.sub(r'"((?:\\[0-9]{3})*)"', lambda at: repr(bytes(int(n) for n in at[1].split("\\")[1:]).decode()), script)


def test_rules_without_actions_need_no_filter() -> None:
    plain = HTTPRule(HERE, path="/a", header_matches=(HeaderMatch("A", "1"),))
    assert header_filters([scope(plain)], Direction.INGRESS) == []


def test_each_rule_has_two_filters_of_its_own_names_in_order() -> None:
    first, second = changing(HeaderMatch("A", "1", "ADD")), changing(HeaderMatch("B", "2", "ADD"))
    found = header_filters([scope(first, second)], Direction.INGRESS)
    assert [each["name"] for each in found] == [
        "ingress-0-rule", "ingress-0-headers", "ingress-1-rule", "ingress-1-headers",
    ]  # fmt: skip
    assert header_filters([scope(first)], Direction.EGRESS) == []


@pytest.mark.parametrize(
    ("match", "line"),
    [
        (HeaderMatch("A", "1", "ADD"), "if headers:get('A') ~= '1' then headers:add('A', '1') end"),
        (HeaderMatch("A", None, "ADD"), "if headers:get('A') == nil then headers:add('A', '') end"),
        (HeaderMatch("A", "1", "REPLACE"), "if headers:get('A') ~= '1' then headers:replace('A', '1') end"),
        (
            HeaderMatch("A", "1", "DELETE"),
            "if headers:get('A') ~= nil and headers:get('A') ~= '1' then headers:remove('A') end",
        ),
    ],
)
def test_an_action_is_taken_on_what_differs(match: HeaderMatch, line: str) -> None:
    (script,) = scripts(scope(changing(match)))
    assert line in read(script)


def test_nothing_in_a_rule_can_end_a_string_of_the_script() -> None:
    (script,) = scripts(scope(changing(HeaderMatch('A" or os.exit() --', "\n]]%s{}\u00e4", "REPLACE"))))
    assert "os.exit" not in script
    assert repr('A" or os.exit() --') in read(script)


def test_what_another_rule_takes_whole_is_not_changed() -> None:
    change = changing(HeaderMatch("A", "1", "ADD"))
    assert header_filters([scope(change, others=(Admission(HERE, None),))], Direction.INGRESS) == []
    (when, _) = header_filters([scope(change, others=(Admission(HERE, CLIENT),))], Direction.INGRESS)
    assert "not_id" in str(when)


@pytest.mark.parametrize("direction", list(Direction))
def test_every_field_is_one_of_its_type(direction: Direction) -> None:
    actions = [HeaderMatch("A", "1", action) for action in ("LOG", "ADD", "DELETE", "REPLACE")]
    rules = rules_of([scope(changing(*actions), direction=direction)])
    assert message(request_resources.routes(rules, DEFAULTS)).name == "requests"
