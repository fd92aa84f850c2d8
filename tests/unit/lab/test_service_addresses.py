"""Which addresses Services get."""

from ipaddress import ip_address

import pytest

from harness.lab.port import LabError
from harness.lab.service_addresses import RANGES, service_addresses
from harness.model.origin import Origin
from harness.model.service import Service
from harness.model.topology import Pod, Topology

HERE = Origin("m.yaml", 4)


def service(name: str, *ips: str, **more: str) -> Service:
    return Service(HERE, name, "shop", cluster_ips=ips or None, **more)  # type: ignore[arg-type] # names of fields


def topology(*ips: str) -> Topology:
    return Topology("t", ("n1",), (), (Pod("pod", "shop", "n1", ips=ips),))


def test_addresses_that_are_written_are_kept_and_the_others_assigned() -> None:
    found = service_addresses([service("a", "10.50.0.9"), service("b", "fd00:1::9", "10.50.0.8")], topology())
    assert found["shop/b"] == ("10.50.0.8", "fd00:1::9")
    four, six = found["shop/a"]
    assert four == "10.50.0.9"
    assert ip_address(six) in RANGES[6]


def test_they_depend_on_the_name_and_not_on_what_stands_beside() -> None:
    alone = service_addresses([service("a")], topology())
    beside = service_addresses([service("b"), service("a"), service("c")], topology())
    assert alone["shop/a"] == beside["shop/a"]
    assert len({ip for each in beside.values() for ip in each}) == 6


def test_none_is_a_pods() -> None:
    (taken, six) = service_addresses([service("a")], topology())["shop/a"]
    assert service_addresses([service("a")], topology(taken))["shop/a"][0] != taken
    assert service_addresses([service("a")], topology(taken))["shop/a"][1] == six


def test_headless_services_and_other_names_have_none() -> None:
    services = [service("a", cluster_ip="None"), service("b", type="ExternalName"), service("c", "None", cluster_ip="None")]
    assert service_addresses(services, topology()) == {}


@pytest.mark.parametrize(
    ("ip", "owner"), [("10.1.0.1", "node n1"), ("10.1.0.2", "pod shop/pod"), ("10.50.0.9", "Service shop/a")]
)
def test_an_address_that_somebody_has_is_refused_by_file_and_line(ip: str, owner: str) -> None:
    with pytest.raises(LabError, match=rf"^m.yaml:4: address {ip} of Service shop/b is that of {owner}; write another"):
        service_addresses([service("a", "10.50.0.9"), service("b", ip)], topology())
