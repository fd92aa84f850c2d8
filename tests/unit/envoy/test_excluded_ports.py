import pytest

from harness.envoy.redirect import EXCLUDE_INBOUND, EXCLUDE_OUTBOUND, ruleset


def test_excluded_ports_are_left_alone_before_the_redirection_of_their_direction() -> None:
    inbound, outbound = ruleset({EXCLUDE_INBOUND: "9090", EXCLUDE_OUTBOUND: "80, 443"}).split("chain output")
    assert inbound.index("tcp dport { 9090 } accept") < inbound.index("redirect to :15006")
    assert outbound.index("tcp dport { 80, 443 } accept") < outbound.index("redirect to :15001")


def test_a_pod_without_annotations_has_no_port_excluded() -> None:
    assert "dport" not in ruleset({})
    assert "@" not in ruleset({})


@pytest.mark.parametrize("written", ["http", "0", "70000", "80-90"])
def test_what_is_no_list_of_ports_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="want ports with commas"):
        ruleset({EXCLUDE_OUTBOUND: written})
