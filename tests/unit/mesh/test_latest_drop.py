"""Which drop is a flow's: its own packets' and its answers', never those of the flow in the other direction."""

from types import SimpleNamespace
from typing import Any, cast

from mesh_world import World

from harness.mesh.events import Drop
from harness.mesh.mesh import Mesh

ICMP, UDP = 1, 17


def drop(source: str, destination: str, source_port: int, destination_port: int, protocol: int = ICMP) -> Drop:
    return Drop(1, source, destination, source_port, destination_port, 4, protocol, 1, 0, 16, 17, 1, 1, 3)


def mesh(world: World, *drops: Drop) -> Mesh:
    agent: Any = SimpleNamespace(drops=lambda: drops)
    return Mesh(cast(Any, SimpleNamespace(topology=world.topology)), [agent])


def test_a_ping_is_found_by_its_request_and_by_its_reply(world: World) -> None:
    assert mesh(world, drop("10.0.0.1", "10.0.0.2", 77, 0)).latest_drop("10.0.0.1", "10.0.0.2", ICMP, 0)
    assert mesh(world, drop("10.0.0.2", "10.0.0.1", 0, 77)).latest_drop("10.0.0.1", "10.0.0.2", ICMP, 0)


def test_the_ping_of_the_other_end_is_another_flow(world: World) -> None:
    assert mesh(world, drop("10.0.0.2", "10.0.0.1", 77, 0)).latest_drop("10.0.0.1", "10.0.0.2", ICMP, 0) is None


def test_a_datagram_is_found_by_the_servers_port(world: World) -> None:
    found = mesh(world, drop("192.0.2.7", "10.0.0.2", 40000, 53, UDP))
    assert found.latest_drop("192.0.2.7", "10.0.0.2", UDP, 53)
    assert found.latest_drop("192.0.2.7", "10.0.0.2", UDP, 54) is None
