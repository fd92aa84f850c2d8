"""Which addresses Gateways get."""

from ipaddress import ip_address

import pytest

from harness.lab import service_addresses
from harness.lab.gateway_addresses import RANGES, gateway_addresses
from harness.lab.port import LabError
from harness.model.origin import Origin
from harness.model.route import Gateway, GatewayAddress
from harness.model.topology import OutsideHost, Pod, Topology

HERE, THERE = Origin("m.yaml", 4), Origin("m.yaml", 9)
SERVICES = {"shop/web": ("172.20.0.9", "fd00:172:20::9")}
TOPOLOGY = Topology(
    "t", ("n1",), (), (Pod("pod", "shop", "n1", ips=("10.1.0.2",)),), (OutsideHost("v", "n1", ("192.0.2.7", "2001:db8::7")),)
)


def gateway(name: str, *values: str | None, kind: str | None = None) -> Gateway:
    addresses = tuple(GatewayAddress(THERE, kind, value) for value in values)
    return Gateway(HERE, name, "infra", "c", (), addresses or None)


def test_addresses_that_are_written_are_kept_and_the_others_assigned() -> None:
    found = gateway_addresses([gateway("a", "203.0.113.5"), gateway("b", "2001:db8::5", "203.0.113.6")], SERVICES, TOPOLOGY)
    assert found["infra/b"] == ("203.0.113.6", "2001:db8::5")
    four, six = found["infra/a"]
    assert four == "203.0.113.5"
    assert ip_address(six) in RANGES[6]


def test_several_of_a_family_are_all_kept() -> None:
    (found,) = gateway_addresses([gateway("a", "203.0.113.5", "203.0.113.6")], {}, TOPOLOGY).values()
    assert (found[:2], len(found)) == (("203.0.113.5", "203.0.113.6"), 3)


@pytest.mark.parametrize("value", [None, ""])
def test_an_entry_without_a_value_asks_for_any(value: str | None) -> None:
    asked = gateway("a", value, kind="IPAddress")
    assert gateway_addresses([asked], {}, TOPOLOGY) == gateway_addresses([gateway("a")], {}, TOPOLOGY)


def test_they_depend_on_the_name_and_are_in_no_range_of_services() -> None:
    alone = gateway_addresses([gateway("a")], {}, TOPOLOGY)
    beside = gateway_addresses([gateway("c"), gateway("a"), gateway("b")], SERVICES, TOPOLOGY)
    assert alone["infra/a"] == beside["infra/a"]
    assert len({ip for each in beside.values() for ip in each}) == 6
    assert not any(RANGES[family].overlaps(service_addresses.RANGES[family]) for family in (4, 6))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "owner"),
    [
        ("10.1.0.1", "node n1"), ("10.1.0.2", "pod shop/pod"), ("192.0.2.7", "host v"), ("172.20.0.9", "Service shop/web"),
        ("203.0.113.5", "Gateway infra/a"),
    ],
)  # fmt: skip
def test_an_address_that_somebody_has_is_refused_by_file_and_line(value: str, owner: str) -> None:
    with pytest.raises(LabError, match=rf"^m.yaml:9: address {value} of Gateway infra/b is that of {owner}; write another"):
        gateway_addresses([gateway("b", value), gateway("a", "203.0.113.5")], SERVICES, TOPOLOGY)


def test_a_name_is_no_address() -> None:
    with pytest.raises(LabError, match=r"^m.yaml:9: address of type Hostname of Gateway infra/a: no lab gives names"):
        gateway_addresses([gateway("a", "edge.example", kind="Hostname")], {}, TOPOLOGY)
