"""NetworkPolicies compiled to Envoy's L4 RBAC: one network filter for a pod's ingress and one for its egress.

Ingress is judged by the server's sidecar, egress by the client's. A direction that no policy isolates has no
filter; an isolated one allows what some rule allows and nothing else. Rules for protocols other than TCP
isolate, but allow nothing here: a sidecar sees TCP only.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from harness.envoy.certificates import spiffe_id
from harness.envoy.selection import Selection
from harness.envoy.tls import host_prefix
from harness.model.policy import IPBlock, NetworkPolicy, Peer, PolicyPort, Rule
from harness.model.topology import Pod

Matcher = dict[str, Any]
ANY: Matcher = {"any": True}
FILTER = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC"


def ingress_filters(
    pod: Pod, policies: Sequence[NetworkPolicy], selection: Selection, *, by_certificate: bool
) -> list[Matcher]:
    """The filters for what arrives at ``pod``: none, or one.

    Pods are known by their addresses, or (``by_certificate``) by the SPIFFE identity in their certificate.
    """
    rules: Matcher = {}
    isolated = False
    for policy in policies:
        if not selection.applies(policy, pod) or not _is_about(policy, "Ingress"):
            continue
        isolated = True
        for index, rule in enumerate(policy.ingress or ()):
            permissions = _permissions(rule, partial(_named, pod))
            principals = _principals(rule, policy.namespace, selection, by_certificate=by_certificate)
            if permissions and principals:
                rules[_rule_name(policy, "ingress", index, rule)] = {"permissions": permissions, "principals": principals}
    return [rbac_filter("inbound", rules)] if isolated else []


def egress_filters(pod: Pod, policies: Sequence[NetworkPolicy], selection: Selection) -> list[Matcher]:
    """The filters for what ``pod`` sends: none, or one. Destinations are known by their addresses."""
    rules: Matcher = {}
    isolated = False
    for policy in policies:
        if not selection.applies(policy, pod) or not _is_about(policy, "Egress"):
            continue
        isolated = True
        for index, rule in enumerate(policy.egress or ()):
            permissions = _egress_permissions(rule, policy.namespace, selection)
            if permissions:
                rules[_rule_name(policy, "egress", index, rule)] = {"permissions": permissions, "principals": [ANY]}
    return [rbac_filter("outbound", rules)] if isolated else []


def _is_about(policy: NetworkPolicy, direction: str) -> bool:
    """The API server's default for policyTypes: Ingress always, Egress where there are egress rules."""
    if policy.policy_types:
        return direction in policy.policy_types
    return direction == "Ingress" or bool(policy.egress)


def rbac_filter(direction: str, rules: Matcher, action: str = "ALLOW") -> Matcher:
    """Lets pass what one of ``rules`` (policies by name) matches, or (DENY) all but that.

    ``direction`` begins the names of its statistics.
    """
    return {
        "name": "envoy.filters.network.rbac",
        "typed_config": {"@type": FILTER, "stat_prefix": f"{direction}.", "rules": {"action": action, "policies": rules}},
    }


def _rule_name(policy: NetworkPolicy, direction: str, index: int, rule: Rule) -> str:
    return f"{policy.namespace}/{policy.name} {direction}[{index}] {rule.origin}"


def _named(pod: Pod, name: str) -> list[int]:
    """The TCP ports that ``pod`` declares under ``name``."""
    return [port.port for port in pod.ports if port.name == name and port.protocol == "TCP"]


def _permissions(rule: Rule, resolve: Callable[[str], list[int]]) -> list[Matcher]:
    """What ports a rule allows, any of the list; empty where it allows none over TCP."""
    if not rule.ports:
        return [ANY]
    return [matcher for port in rule.ports for matcher in _port(port, resolve)]


def _port(port: PolicyPort, resolve: Callable[[str], list[int]]) -> list[Matcher]:
    if (port.protocol or "TCP") != "TCP":
        return []
    if port.port is None:
        return [ANY]
    if isinstance(port.port, str):
        return [{"destination_port": number} for number in resolve(port.port)]
    if port.end_port is not None:
        return [{"destination_port_range": {"start": port.port, "end": port.end_port + 1}}]
    return [{"destination_port": port.port}]


def _principals(rule: Rule, namespace: str, selection: Selection, *, by_certificate: bool) -> list[Matcher]:
    if not rule.peers:
        return [ANY]
    found: list[Matcher] = []
    for peer in rule.peers:
        if peer.ip_block is not None:
            found += _block(peer.ip_block, "direct_remote_ip", "and_ids", "not_id", "ids")
        for pod in selection.peers(peer, namespace):
            if by_certificate:
                name = {"exact": spiffe_id(pod.namespace, pod.name)}
                found.append({"authenticated": {"principal_name": name}})
            else:
                found += [{"direct_remote_ip": host_prefix(address)} for address in pod.ips]
    return found


def _block(block: IPBlock, key: str, both: str, negation: str, listed: str) -> list[Matcher]:
    """An ipBlock as one matcher: in the CIDR and in none of its exceptions."""
    parts: list[Matcher] = [{key: _cidr(block.cidr)}]
    parts += [{negation: {key: _cidr(excepted)}} for excepted in block.except_]
    return parts if len(parts) == 1 else [{both: {listed: parts}}]


def _cidr(text: str) -> Matcher:
    address, _, length = text.partition("/")
    return {"address_prefix": address, "prefix_len": int(length)}


def _egress_permissions(rule: Rule, namespace: str, selection: Selection) -> list[Matcher]:
    """Address and port together, as a named port means something else at each destination."""
    named = any(isinstance(port.port, str) for port in rule.ports or ())
    if not rule.peers and not named:
        return _permissions(rule, lambda _: [])
    found: list[Matcher] = []
    peers = rule.peers or ()
    pods = _destinations(peers, namespace, selection) if peers else list(selection.pods)
    if named:
        for pod in pods:
            found += _together(_addresses([pod]), _permissions(rule, partial(_named, pod)))
    else:
        found += _together(_addresses(pods), _permissions(rule, lambda _: []))
    blocks = [
        block
        for peer in peers
        if peer.ip_block
        for block in _block(peer.ip_block, "destination_ip", "and_rules", "not_rule", "rules")
    ]
    if named and blocks:  # a name has a number at each pod inside, and none elsewhere
        for pod in selection.pods:
            found += _together(_together(blocks, _addresses([pod])), _permissions(rule, partial(_named, pod)))
    anywhere = blocks if peers else [ANY]
    return found + _together(anywhere, _permissions(rule, lambda _: []))


def _destinations(peers: Sequence[Peer], namespace: str, selection: Selection) -> list[Pod]:
    return [pod for peer in peers for pod in selection.peers(peer, namespace)]


def _addresses(pods: Sequence[Pod]) -> list[Matcher]:
    return [{"destination_ip": host_prefix(address)} for pod in pods for address in pod.ips]


def _together(first: list[Matcher], second: list[Matcher]) -> list[Matcher]:
    """Any of the first and any of the second."""
    if not first or not second:
        return []
    return [{"and_rules": {"rules": [_either(first), _either(second)]}}]


def _either(matchers: list[Matcher]) -> Matcher:
    return matchers[0] if len(matchers) == 1 else {"or_rules": {"rules": matchers}}
