"""Which of a listener's filter chains takes a connection, as one list of conditions, asked in order.

Envoy's own way (``filter_chain_match``) asks for a chain's port, then for its addresses, and never goes back: chains for
whoever policies name, beside those for everybody, would each need the whole set again.
Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener.proto (``filter_chain_matcher``)
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network
from typing import Any

from harness.envoy.admission import Peers
from harness.envoy.judged_flows import JudgedFlows

Predicate = dict[str, Any]
_INPUTS = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3"
_IP = "type.googleapis.com/envoy.extensions.matching.input_matchers.ip.v3.Ip"
_MOST_PORT = 65535
SOURCE, DESTINATION = "SourceIPInput", "DestinationIPInput"


def choice(first: Sequence[tuple[Predicate, str]], chains: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """``filter_chain_matcher``: the chains that ``first`` names where its conditions are met, else those of ``chains`` by
    their own matches. A connection that meets nothing is closed.
    """
    ordered = sorted(chains, key=lambda chain: _place(chain["filter_chain_match"]))
    asked = [*first, *((matching(chain["filter_chain_match"]), chain["name"]) for chain in ordered)]
    return {"matcher_list": {"matchers": [{"predicate": predicate, "on_match": _chain(name)} for predicate, name in asked]}}


def flows_predicate(flows: JudgedFlows, side: str) -> Predicate:
    """Met by connections that are in ``flows``, whose peer is at ``side``: SOURCE or DESTINATION."""
    asked = [_any([_peers(side, each) for each in flows.among])]
    asked += [_no(_peers(side, each)) for each in flows.but]
    if (flows.first, flows.last) != (0, _MOST_PORT):
        asked.append(_matched("DestinationPortInput", "|".join(_numerals(flows.first, flows.last))))
    return all_of(asked)


def all_of(predicates: Sequence[Predicate]) -> Predicate:
    """Met where all of ``predicates`` are."""
    return predicates[0] if len(predicates) == 1 else {"and_matcher": {"predicate": list(predicates)}}


def within(side: str, networks: Iterable[str]) -> Predicate:
    """Met where the address at ``side`` is in any of ``networks``."""
    ranges = [{"address_prefix": str(each.network_address), "prefix_len": each.prefixlen} for each in map(ip_network, networks)]
    custom = {"name": "ip", "typed_config": {"@type": _IP, "cidr_ranges": ranges, "stat_prefix": "chains"}}
    return _single(side, {"custom_match": custom})


def _any(predicates: Sequence[Predicate]) -> Predicate:
    return predicates[0] if len(predicates) == 1 else {"or_matcher": {"predicate": list(predicates)}}


def _no(predicate: Predicate) -> Predicate:
    return {"not_matcher": predicate}


def _peers(side: str, peers: Peers | None) -> Predicate:
    if peers is None:
        return _matched("DestinationPortInput", ".*")
    if not peers.inside:
        return _no(_peers(side, None))
    inside = within(side, peers.inside)
    return all_of([inside, _no(within(side, peers.outside))]) if peers.outside else inside


def matching(match: dict[str, Any]) -> Predicate:
    """The condition that a ``filter_chain_match`` is."""
    asked = []
    if "destination_port" in match:
        asked.append(_matched("DestinationPortInput", str(match["destination_port"])))
    if "prefix_ranges" in match:
        asked.append(within(DESTINATION, [f"{each['address_prefix']}/{each['prefix_len']}" for each in match["prefix_ranges"]]))
    if "transport_protocol" in match:
        asked.append(_matched("TransportProtocolInput", match["transport_protocol"]))
    if "application_protocols" in match:
        names = "|".join(each.replace(".", "[.]") for each in match["application_protocols"])
        asked.append(_matched("ApplicationProtocolInput", f"(?:.*,)?'(?:{names})'(?:,.*)?"))
    return all_of(asked or [_matched("DestinationPortInput", ".*")])


def _place(match: dict[str, Any]) -> tuple[bool, ...]:
    """The more specific, the earlier, in the order in which Envoy looks at a connection."""
    return tuple(name not in match for name in ("destination_port", "prefix_ranges", "application_protocols"))


def _matched(name: str, expression: str) -> Predicate:
    return _single(name, {"value_match": {"safe_regex": {"google_re2": {}, "regex": expression}}})


def _single(name: str, met: dict[str, Any]) -> Predicate:
    return {"single_predicate": {"input": {"name": name, "typed_config": {"@type": f"{_INPUTS}.{name}"}}, **met}}


def _chain(name: str) -> dict[str, Any]:
    value = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": name}
    return {"action": {"name": name, "typed_config": value}}


def _numerals(first: int, last: int) -> Iterator[str]:
    """Expressions for the whole numbers from ``first`` to ``last``: Envoy matches a port as a text."""
    if first == 0:
        yield "0"
        first = 1
    while first <= last:
        free = 0
        while first % 10 ** (free + 1) == 0 and first + 10 ** (free + 1) - 1 <= last:
            free += 1
        yield f"{first // 10**free}{'[0-9]' * free}"
        first += 10**free
