"""Policies that look into requests, over the pods of PAIR."""

from harness.model.cilium import (
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    HeaderMatch,
    HTTPRule,
    L7Rules,
    PortRule,
)
from harness.model.origin import Origin
from harness.model.policy import LabelSelector

POLICY, RULE, REQUESTS = (Origin("requests.yaml", line) for line in (1, 9, 20))


def http(path: str | None = None, method: str | None = None, host: str | None = None, *headers: str) -> HTTPRule:
    return HTTPRule(REQUESTS, method, path, host, headers or None)


def http_headers(*matches: HeaderMatch) -> HTTPRule:
    return HTTPRule(REQUESTS, header_matches=matches)


def rule(app: str, *requests: HTTPRule, port: int = 8080) -> CiliumRule:
    """TCP between the subject and pods of ``app`` to ``port``: all requests, or those that one of ``requests`` takes."""
    rules = L7Rules(REQUESTS, http=requests) if requests else None
    ports = (PortRule(RULE, (CiliumPort(RULE, str(port), None, "TCP"),), rules),)
    return CiliumRule(RULE, endpoints=(LabelSelector({"app": app}),), ports=ports)


def ingress(app: str, *rules: CiliumRule, deny: tuple[CiliumRule, ...] | None = None) -> CiliumPolicy:
    spec = CiliumSpec(POLICY, LabelSelector({"app": app}), ingress=rules, ingress_deny=deny)
    return CiliumPolicy(POLICY, "requests", "shop", (spec,))


def egress(app: str, *rules: CiliumRule) -> CiliumPolicy:
    return CiliumPolicy(POLICY, "requests", "shop", (CiliumSpec(POLICY, LabelSelector({"app": app}), egress=rules),))
