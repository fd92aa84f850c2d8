"""A small cluster, requests in it, and a reader of what Envoy is told to refuse."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from harness.dataplanes.scopes import Ground, scopes
from harness.envoy.admission import Direction, Scope
from harness.envoy.request_rbac import denials
from harness.mesh.grants import Cluster
from harness.mesh.identity import identities
from harness.mesh.policy import granted
from harness.model.cilium import Policy
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

OUTSIDE = {4: "192.0.2.7", 6: "2001:db8::7"}


def _pod(name: str, number: int, node: str = "n1") -> Pod:
    ports = (ContainerPort("http", 80),)
    return Pod(name, "shop", node, {"app": name}, ports=ports, ips=(f"10.0.0.{number}", f"fd00::{number}"))


TOPOLOGY = Topology(
    "requests", ("n1", "n2"), (Namespace("shop"),), (_pod("client", 1), _pod("server", 2), _pod("other", 3, "n2"))
)
CLUSTER = Cluster.of(TOPOLOGY, identities(TOPOLOGY))
LOCAL = [ip for pod in TOPOLOGY.pods if pod.node == "n1" for ip in pod.ips]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; ends are apps, or ``outside``."""

    source: str = "client"
    destination: str = "server"
    port: int = 80
    family: int = 4
    method: str = "GET"
    path: str = "/"
    host: str = "server"
    headers: Mapping[str, str] = field(default_factory=dict)

    def address(self, end: str) -> str:
        return OUTSIDE[self.family] if end == "outside" else TOPOLOGY.pod(f"shop/{end}").ip(self.family)


def scopes_of(policies: Sequence[Policy], known: Iterable[Ground] = (), local: Sequence[str] = LOCAL) -> list[Scope]:
    return scopes(granted(policies, CLUSTER), CLUSTER, local, known)


def refuses(found: Sequence[Scope], asked: Asked) -> bool:
    return bool(refusing(found, asked))


def refusing(found: Sequence[Scope], asked: Asked) -> list[str]:
    """The policies by which Envoy refuses a request."""
    return [name for direction in Direction for name in matching(denials(found, direction), asked)]


def matching(policies: Mapping[str, Mapping[str, Any]], asked: Asked) -> list[str]:
    """The policies of RBAC, by name, that match a request."""
    return [name for name, policy in policies.items() if _matches(policy, asked)]


def _matches(policy: Mapping[str, Any], asked: Asked) -> bool:
    return all(any(_holds(each, asked) for each in policy[side]) for side in ("permissions", "principals"))


def _holds(matcher: Mapping[str, Any], asked: Asked) -> bool:  # noqa: PLR0911 - one return a kind of matcher
    [(kind, value)] = matcher.items()
    match kind:
        case "any":
            return bool(value)
        case "and_rules" | "and_ids":
            return all(_holds(each, asked) for each in value[kind[4:]])
        case "or_rules" | "or_ids":
            return any(_holds(each, asked) for each in value[kind[3:]])
        case "not_rule" | "not_id":
            return not _holds(value, asked)
        case "destination_port":
            return bool(asked.port == value)
        case "destination_port_range":
            return bool(value["start"] <= asked.port < value["end"])
        case "destination_ip" | "direct_remote_ip":
            end = asked.destination if kind == "destination_ip" else asked.source
            return ip_address(asked.address(end)) in ip_network(f"{value['address_prefix']}/{value['prefix_len']}")
        case "header":
            return _header(value, asked)
    raise AssertionError(f"unknown matcher {kind}")


def _header(matcher: Mapping[str, Any], asked: Asked) -> bool:
    return _is(matcher, asked) is not matcher.get("invert_match", False)


def _is(matcher: Mapping[str, Any], asked: Asked) -> bool:
    pseudo = {":path": asked.path, ":method": asked.method, ":authority": asked.host}
    values = {**pseudo, **{name.lower(): value for name, value in asked.headers.items()}}
    value = values.get(matcher["name"].lower())
    if value is None or "present_match" in matcher:
        return value is not None
    wanted = matcher["string_match"]
    return value == wanted["exact"] if "exact" in wanted else bool(re.fullmatch(wanted["safe_regex"]["regex"], value))
