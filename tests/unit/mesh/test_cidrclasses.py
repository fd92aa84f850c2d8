from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from harness.mesh.cidrclasses import Block, classify

NETWORKS = st.tuples(st.integers(0, 2**32 - 1), st.integers(20, 32)).map(lambda n: IPv4Network(n, strict=False))


def block(cidr: str, *excepted: str) -> Block:
    return Block(ip_network(cidr), tuple(ip_network(hole) for hole in excepted))


def test_an_exception_is_not_in_its_block() -> None:
    wide = block("10.0.0.0/8", "10.1.0.0/16")
    classes = classify([wide])
    inside = classes.inside(wide)
    assert classes.holding(ip_address("10.2.0.1")) in inside
    assert classes.holding(ip_address("10.1.0.1")) not in inside
    assert classes.holding(ip_address("192.0.2.1")) == 0


def test_a_block_inside_another_ones_exception_is_only_its_own() -> None:
    wide, narrow = block("10.0.0.0/8", "10.1.0.0/16"), block("10.1.2.0/24")
    classes = classify([wide, narrow])
    number = classes.holding(ip_address("10.1.2.3"))
    assert number in classes.inside(narrow)
    assert number not in classes.inside(wide)


def test_families_do_not_mix() -> None:
    everything = block("0.0.0.0/0")
    classes = classify([everything, block("::/0")])
    assert classes.holding(ip_address("fd00::1")) not in classes.inside(everything)


@given(st.lists(NETWORKS, min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_an_address_is_in_a_block_exactly_if_its_class_is(networks: list[IPv4Network], number: int) -> None:
    address = IPv4Address(number)
    holes = [Block(networks[0], tuple(n for n in networks[1:] if n != networks[0] and n.subnet_of(networks[0])))]
    blocks = holes + [Block(network) for network in networks]
    classes = classify(blocks)
    for probe in (address, *(network.network_address for network in networks)):
        for one in blocks:
            assert one.holds(probe) == (classes.holding(probe) in classes.inside(one))
