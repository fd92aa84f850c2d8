"""What becomes of a request over a connection that policy lets through."""

from collections.abc import Sequence

from harness.model.cilium import L7Rules
from harness.model.flow import Verdict
from harness.model.request import HTTPRequest, KafkaRequest, Request
from harness.model.verdict import Decision
from harness.oracle.direct import http, kafka
from harness.oracle.direct.finding import Grant
from harness.oracle.direct.paths import escapes_slash

_ALLOWED = "allowed by rule"


def decide(request: Request, grants: Sequence[Grant], host: str) -> Decision:
    """The judgement under ``grants``, of which there is one at least. A rule that is not narrowed allows all requests.

    ``host`` is what the request's ``Host`` says where the request names none.
    """
    for grant in grants:
        if not grant.narrowed:
            return Decision(Verdict.FORWARDED, grant.rule, _ALLOWED)
    rules = [each for grant in grants for each in grant.narrowed]
    if isinstance(request, KafkaRequest):
        return _kafka(request, rules)
    asked = http.as_http(request)
    if all(each.http is None for each in rules):
        return Decision(Verdict.REJECTED, rules[0].origin, "only requests of Kafka are let through")
    first = next(each for each in rules if each.http is not None)
    if escapes_slash(asked.path):
        return Decision(Verdict.REJECTED, first.origin, "the proxy redirects a path with an escaped slash")
    for each in rules:
        for rule in each.http or ():
            if http.allows(rule, asked, host):
                return Decision(Verdict.FORWARDED, rule.origin, _ALLOWED)
    return Decision(Verdict.REJECTED, first.origin, "no rule about requests allows it")


def passed_on(request: HTTPRequest, grants: Sequence[Grant], host: str) -> HTTPRequest:
    """What an end whose rules let ``request`` through makes of it. A rule that is not narrowed has no proxy look at it."""
    if any(not grant.narrowed for grant in grants):
        return request
    return http.passed_on((rule for grant in grants for each in grant.narrowed for rule in each.http or ()), request, host)


def _kafka(request: KafkaRequest, rules: Sequence[L7Rules]) -> Decision:
    if all(each.kafka is None for each in rules):
        return Decision(Verdict.REJECTED, rules[0].origin, "only requests of HTTP are let through")
    rule = kafka.deciding((rule for each in rules for rule in each.kafka or ()), request)
    if rule is not None:
        return Decision(Verdict.FORWARDED, rule.origin, _ALLOWED)
    first = next(each for each in rules if each.kafka is not None)
    return Decision(Verdict.REJECTED, first.origin, "no rule about requests allows it")
