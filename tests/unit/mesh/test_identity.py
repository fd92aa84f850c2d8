from dataclasses import replace

import pytest
from mesh_world import World

from harness.mesh import identity as module
from harness.mesh.identity import IdentityError, identities
from harness.mesh.layout import FIRST_IDENTITY
from harness.model.topology import ContainerPort, Pod, Topology


def test_the_same_labels_and_namespace_share_an_identity(world: World) -> None:
    twin = replace(world.topology.pod("shop/web"), name="web-2", node="n2", ips=("10.0.2.1",))
    numbered = identities(replace(world.topology, pods=(*world.topology.pods, twin)))
    assert numbered["shop/web-2"] == numbered["shop/web"]
    assert len({identity.number for identity in numbered.values()}) == 4


@pytest.mark.parametrize(
    "change",
    [{"namespace": "evil"}, {"labels": {"app": "web"}}, {"ports": (ContainerPort("http", 8888),)}],
    ids=["namespace", "labels", "named ports"],
)
def test_what_a_policy_may_ask_for_tells_identities_apart(world: World, change: dict[str, object]) -> None:
    other = replace(world.topology.pod("shop/web"), name="other", **change)  # type: ignore[arg-type]
    numbered = identities(replace(world.topology, pods=(*world.topology.pods, other)))
    assert numbered[other.ref] != numbered["shop/web"]


def test_numbers_do_not_depend_on_the_order_of_pods(world: World) -> None:
    backwards = replace(world.topology, pods=tuple(reversed(world.topology.pods)))
    assert identities(backwards) == identities(world.topology)


def test_reserved_numbers_are_left_free(world: World) -> None:
    assert min(identity.number for identity in world.cluster.identities) == FIRST_IDENTITY


def test_too_many_identities_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDENTITIES", FIRST_IDENTITY + 1)
    pods = tuple(Pod(f"p{n}", "shop", "n1", labels={"n": str(n)}) for n in range(2))
    with pytest.raises(IdentityError, match="2 distinct sets of labels; the mesh numbers at most 1"):
        identities(Topology("big", ("n1",), (), pods))
