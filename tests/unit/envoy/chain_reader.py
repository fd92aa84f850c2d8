"""Which chain a ``filter_chain_matcher`` chooses, read as Envoy documents it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection as a listener sees it."""

    source: str
    destination: str
    port: int
    transport: str = "raw_buffer"
    application: str = ""

    def input(self, name: str) -> str:
        return {
            "SourceIPInput": self.source,
            "DestinationIPInput": self.destination,
            "DestinationPortInput": str(self.port),
            "TransportProtocolInput": self.transport,
            "ApplicationProtocolInput": f"'{self.application}'" if self.application else "",
        }[name]


def chosen(matcher: Mapping[str, Any], opened: Opened) -> str | None:
    """The name of the chain; None where the connection is closed."""
    for each in matcher["matcher_list"]["matchers"]:
        if met(each["predicate"], opened):
            return str(each["on_match"]["action"]["typed_config"]["value"])
    return None


def met(predicate: Mapping[str, Any], opened: Opened) -> bool:
    [(kind, value)] = predicate.items()
    match kind:
        case "and_matcher":
            return all(met(each, opened) for each in value["predicate"])
        case "or_matcher":
            return any(met(each, opened) for each in value["predicate"])
        case "not_matcher":
            return not met(value, opened)
        case "single_predicate":
            return _single(value, opened)
    raise AssertionError(f"unknown predicate {kind}")


def _single(single: Mapping[str, Any], opened: Opened) -> bool:
    text = opened.input(single["input"]["name"])
    if "value_match" in single:
        return bool(re.fullmatch(single["value_match"]["safe_regex"]["regex"], text))
    ranges = single["custom_match"]["typed_config"]["cidr_ranges"]
    return any(ip_address(text) in ip_network(f"{each['address_prefix']}/{each['prefix_len']}") for each in ranges)
