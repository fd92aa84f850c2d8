"""Which connections a node's stack hands to its proxy for Kafka."""

from harness.envoy.transparent import kafka_sets


def test_each_pod_and_its_ports_stand_in_the_set_of_its_family_and_side() -> None:
    said = kafka_sets([("10.0.0.1", 9092, 9092), ("fd00::1", 9092, 9094)], [("10.0.0.2", 9092, 9092)]).splitlines()
    assert said == [
        "flush set inet node_proxy kafka_from4",
        "flush set inet node_proxy kafka_from6",
        "flush set inet node_proxy kafka_to4",
        "flush set inet node_proxy kafka_to6",
        "add element inet node_proxy kafka_from4 { 10.0.0.1 . 9092-9092 }",
        "add element inet node_proxy kafka_from6 { fd00::1 . 9092-9094 }",
        "add element inet node_proxy kafka_to4 { 10.0.0.2 . 9092-9092 }",
    ]
