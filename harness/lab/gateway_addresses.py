"""Which addresses Gateways have in a lab: a pure function of the Gateways, the Services and the topology."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from harness.lab.port import LabError
from harness.lab.service_addresses import candidates, taken_addresses
from harness.model.route import Gateway, GatewayAddress
from harness.model.topology import Topology

RANGES: Mapping[int, IPv4Network | IPv6Network] = {4: IPv4Network("172.21.0.0/16"), 6: IPv6Network("fd00:172:21::/112")}
"""Where addresses come from that no Gateway writes; outside what nodes own, and what Services get."""

_IP = "IPAddress"


def gateway_addresses(
    gateways: Iterable[Gateway], services: Mapping[str, Sequence[str]], topology: Topology
) -> dict[str, tuple[str, ...]]:
    """The addresses of each Gateway by ``namespace/name``: those that it writes of a family, else one of RANGES.

    IPv4 comes first. ``services``: the addresses of each Service. An entry without a value asks for one of RANGES.
    Raises LabError where two have the same address, or a Gateway a node's, a pod's, a host's or a Service's, and for an
    address of another type.
    """
    taken = taken_addresses(topology) | {ip: f"Service {ref}" for ref, ips in services.items() for ip in ips}
    found: dict[str, list[str]] = {}
    ordered = sorted(gateways, key=lambda each: each.ref)
    for gateway in ordered:
        found[gateway.ref] = [ip for each in gateway.addresses or () if (ip := _written(gateway, each)) is not None]
        for each in gateway.addresses or ():
            ip = _written(gateway, each)
            if ip in taken:
                what = f"address {ip} of Gateway {gateway.ref} is that of {taken[ip]}; write another"
                raise LabError(f"{each.origin}: {what}")
            if ip is not None:
                taken[ip] = f"Gateway {gateway.ref}"
    for ref, ips in found.items():
        for family, network in RANGES.items():
            if not any((":" in ip) == (family == 6) for ip in ips):
                ips.append(next(each for each in candidates(ref, network) if each not in taken))
                taken[ips[-1]] = f"Gateway {ref}"
    return {ref: tuple(sorted(ips, key=lambda ip: ":" in ip)) for ref, ips in found.items()}


def _written(gateway: Gateway, each: GatewayAddress) -> str | None:
    if each.type not in (None, _IP):
        what = f"address of type {each.type} of Gateway {gateway.ref}: no lab gives names; write one of type {_IP}, or none"
        raise LabError(f"{each.origin}: {what}")
    return str(ip_address(each.value)) if each.value else None
