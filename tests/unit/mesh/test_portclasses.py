from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.mesh.portclasses import PortClasses, PortRange, classify

PORTS = st.integers(1, 65535)
RANGES = st.lists(st.tuples(PORTS, PORTS).map(lambda ends: PortRange("TCP", min(ends), max(ends))), max_size=8)


def class_of(classes: PortClasses, port: int, protocol: str = "TCP") -> int:
    return next((n for first, last, n in classes.spans.get(protocol, []) if first <= port <= last), 0)


def test_a_port_inside_a_range_gets_a_class_of_its_own() -> None:
    whole, one = PortRange("TCP", 1000, 2000), PortRange("TCP", 1500, 1500)
    classes = classify([whole, one])
    assert len(classes.of[whole]) == 2
    assert set(classes.of[one]) < set(classes.of[whole])
    assert class_of(classes, 1000) == class_of(classes, 1501) != class_of(classes, 1500)


def test_protocols_do_not_mix() -> None:
    classes = classify([PortRange("TCP", 53, 53), PortRange("UDP", 53, 60)])
    assert class_of(classes, 60, "TCP") == 0
    assert class_of(classes, 60, "UDP") > 0


def test_the_highest_port_belongs_to_its_range() -> None:
    assert class_of(classify([PortRange("TCP", 60000, 65535)]), 65535) == 1


@given(RANGES, PORTS)
def test_a_port_is_in_a_range_exactly_if_its_class_is(ranges: list[PortRange], port: int) -> None:
    classes = classify(ranges)
    number = class_of(classes, port)
    for span in ranges:
        assert (span.first <= port <= span.last) == (number in classes.of[span])


@given(RANGES)
def test_spans_are_disjoint_and_ascending(ranges: list[PortRange]) -> None:
    spans = classify(ranges).spans.get("TCP", [])
    assert all(before[1] < after[0] for before, after in pairwise(spans))
