"""What L4 RBAC says of a connection that is open, for whoever has to end those that a change no longer allows.

Envoy's filter judges a connection once, by the rules with which it was made. This reads the same rules, as rbac.py compiles
them for addresses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from harness.envoy.rbac import Matcher


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP connection by its addresses; ``port`` is the destination's."""

    source: str
    destination: str
    port: int


def allows(filters: Sequence[Matcher], connection: Connection) -> bool:
    """Whether every one of ``filters`` lets ``connection`` pass. Raises ValueError for what only a certificate could tell."""
    return all(
        any(_policy(policy, connection) for policy in each["typed_config"]["rules"]["policies"].values()) for each in filters
    )


def _policy(policy: Matcher, connection: Connection) -> bool:
    return _any(policy["permissions"], connection) and _any(policy["principals"], connection)


def _any(matchers: Sequence[Matcher], connection: Connection) -> bool:
    return any(_met(each, connection) for each in matchers)


def _met(matcher: Matcher, connection: Connection) -> bool:  # noqa: PLR0911 - one return for each kind
    [(kind, value)] = matcher.items()
    match kind:
        case "any":
            return bool(value)
        case "destination_port":
            return bool(connection.port == value)
        case "destination_port_range":
            return bool(value["start"] <= connection.port < value["end"])
        case "destination_ip":
            return _inside(connection.destination, value)
        case "direct_remote_ip":
            return _inside(connection.source, value)
        case "and_rules" | "and_ids":
            return all(_met(each, connection) for each in next(iter(value.values())))
        case "or_rules" | "or_ids":
            return _any(next(iter(value.values())), connection)
        case "not_rule" | "not_id":
            return not _met(value, connection)
    raise ValueError(f"addresses and ports do not tell whether {kind} is met")


def _inside(address: str, prefix: Matcher) -> bool:
    return ip_address(address) in ip_network((prefix["address_prefix"], prefix["prefix_len"]), strict=False)
