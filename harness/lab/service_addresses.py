"""Which addresses Services have in a lab (ClusterIPs): a pure function of the Services and the topology."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from harness.lab.addressing import plan
from harness.lab.port import LabError
from harness.model.service import Service
from harness.model.topology import Topology

RANGES: Mapping[int, IPv4Network | IPv6Network] = {4: IPv4Network("172.20.0.0/16"), 6: IPv6Network("fd00:172:20::/112")}
"""Where addresses come from that no Service writes; outside what nodes own (addressing.py)."""

HEADLESS = "None"


def service_addresses(services: Iterable[Service], topology: Topology) -> dict[str, tuple[str, ...]]:
    """The addresses of each Service that has any, by ``namespace/name``: one of IPv4 and one of IPv6, in this order.

    Those that a Service writes, else one of RANGES that depends on its name and, where two names would have the same one, on
    what sorts before it. Neither headless Services have any, nor those of type ExternalName. Raises LabError where two
    have the same one, or a Service a node's or a pod's.
    """
    fronted = sorted((each for each in services if has_address(each)), key=lambda each: each.ref)
    taken = taken_addresses(topology)
    found: dict[str, dict[int, str]] = {}
    for service in fronted:
        found[service.ref] = _written(service)
        for address in found[service.ref].values():
            if address in taken:
                what = f"address {address} of Service {service.ref} is that of {taken[address]}; write another"
                raise LabError(f"{service.origin}: {what}")
            taken[address] = f"Service {service.ref}"
    for ref, addresses in found.items():
        for family, network in RANGES.items():
            if family not in addresses:
                addresses[family] = next(each for each in candidates(ref, network) if each not in taken)
                taken[addresses[family]] = f"Service {ref}"
    return {ref: (addresses[4], addresses[6]) for ref, addresses in found.items()}


def has_address(service: Service) -> bool:
    """Whether clients can connect to a Service itself."""
    return service.cluster_ip != HEADLESS and service.type != "ExternalName"


def _written(service: Service) -> dict[int, str]:
    texts = service.cluster_ips or ([service.cluster_ip] if service.cluster_ip else [])
    addresses = [ip_address(text) for text in texts]
    return {address.version: str(address) for address in addresses}


def taken_addresses(topology: Topology) -> dict[str, str]:
    """The addresses of nodes, pods and hosts outside, each with whose it is, in words."""
    laid_out = plan(topology)
    nodes = {address: f"node {node.name}" for node in laid_out.nodes for address in node.addresses.values()}
    hosts = {str(ip_address(ip)): f"host {host.name}" for host in topology.outside for ip in host.ips}
    return nodes | hosts | {str(ip_address(ip)): f"pod {pod.ref}" for pod in laid_out.topology.pods for ip in pod.ips}


def candidates(ref: str, network: IPv4Network | IPv6Network) -> Iterator[str]:
    """Every host address of ``network``, beginning with one that depends on the name ``ref``."""
    hosts = network.num_addresses - 2
    first = int.from_bytes(hashlib.sha256(ref.encode()).digest()[:8], "big")
    return (str(ip_network(network)[1 + (first + step) % hosts]) for step in range(hosts))
