"""The mesh follows pods that come and go, in each way of attaching."""

import socket
from collections.abc import Iterator

import pytest
from mesh_ways import WAYS
from pair_policies import closed
from pod_sockets import arrives, connection, connects, datagram_arrives

from harness.dataplanes import find
from harness.dataplanes.ebpf_sockmap import EbpfSockmapAttachment
from harness.lab import netns
from harness.lab.port import Lab
from harness.mesh.mesh import attached
from harness.model.topology import Pod, Topology

FAMILIES = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture
def lab(pair: Topology) -> Iterator[Lab]:
    with netns.up(pair) as made:
        yield made


def heir(former: Pod, **more: object) -> Pod:
    return Pod("heir", "shop", former.node, {"app": "heir"}, ips=former.ips, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", list(WAYS))
def test_an_address_is_judged_as_its_new_owner_and_nothing_is_left_of_the_old_one(lab: Lab, way: str) -> None:
    former, pins = lab.pod("shop/neighbour").pod, set(lab.bpffs.rglob("*"))
    with attached(lab, WAYS[way]) as mesh:
        mesh.apply([closed("neighbour")])
        assert not connects(lab.pod("shop/client"), lab.pod("shop/neighbour"), 4)
        before = len(list(lab.bpffs.rglob("*")))
        lab.remove_pod(former.ref)
        mesh.pods_changed([former])
        assert len(list(lab.bpffs.rglob("*"))) == before - (0 if way == "clsact" else 2)
        new = lab.add_pod(heir(former))
        mesh.pods_changed([])
        lab.connect("shop/heir")
        for client in (lab.pod("shop/client"), lab.pod("shop/server")):
            assert connects(client, new, 4)
            assert connects(new, client, 6)
        mesh.apply([closed("heir")])
        assert not connects(lab.pod("shop/client"), new, 6)
        assert not connects(lab.pod("shop/server"), new, 6)
    assert set(lab.bpffs.rglob("*")) == pins


@FAMILIES
def test_what_others_have_open_goes_on(lab: Lab, family: int) -> None:
    former = lab.pod("shop/neighbour").pod
    with find("ebpf").attach(lab) as mesh, connection(lab.pod("shop/client"), lab.pod("shop/server"), family) as (near, far):
        mesh.apply([closed("client")])
        assert arrives(near, far, b"before")
        lab.remove_pod(former.ref)
        mesh.pods_changed((), (former,))
        assert arrives(far, near, b"while it is gone")
        mesh.pods_changed((lab.add_pod(heir(former)),), ())
        assert arrives(near, far, b"when another is there")


@pytest.mark.parametrize("plane", ["ebpf", "ebpf-sockmap", "nftables"])
@FAMILIES
def test_an_answer_to_the_former_owner_does_not_reach_the_next(lab: Lab, plane: str, family: int) -> None:
    """The heir may ask the server, and so the former owner's flow is one that would still be allowed; but it never asked."""
    former, server = lab.pod("shop/client").pod, lab.pod("shop/server")
    kind = socket.AF_INET if family == 4 else socket.AF_INET6

    def bound(ref: str, port: int) -> socket.socket:
        with lab.pod(ref).entered():
            made = socket.socket(kind, socket.SOCK_DGRAM)
        made.settimeout(0.25)
        made.bind((lab.pod(ref).pod.ip(family), port))
        return made

    with find(plane).attach(lab) as attachment, bound("shop/server", 5353) as far:
        attachment.apply([closed("heir")])
        with bound("shop/client", 40_000) as near:
            near.sendto(b"question", (server.pod.ip(family), 5353))
            _, client = far.recvfrom(100)
            far.sendto(b"answer", client)
            assert near.recv(100) == b"answer"
        lab.remove_pod(former.ref)
        added = lab.add_pod(heir(former))
        attachment.pods_changed((added,), (former,))
        lab.connect("shop/heir")
        with bound("shop/heir", 40_000) as near:
            far.sendto(b"late answer", client)
            with pytest.raises(TimeoutError):
                near.recv(100)
        assert datagram_arrives(added, server, family, port=5354)


def test_a_pod_that_comes_joins_the_same_node_path_if_it_asks_for_it(lab: Lab) -> None:
    former = lab.pod("shop/client").pod
    wanting = {"meshproof.io/sockmap": "enabled"}
    with find("ebpf-sockmap").attach(lab) as attachment:
        assert isinstance(attachment, EbpfSockmapAttachment)
        lab.remove_pod(former.ref)
        lab.remove_pod("shop/neighbour")
        first = lab.add_pod(heir(former, annotations=wanting))
        second = lab.add_pod(Pod("second", "shop", "n1", {"app": "second"}, wanting))
        attachment.pods_changed((first, second), (former,))
        for new in ("shop/heir", "shop/second"):
            lab.connect(new)
        with connection(first, second, 4) as (near, far):
            near.setblocking(False)
            far.setblocking(False)
            for end in (near, far) * 20:
                end.send(b"x")
        assert sum(number for name, number in attachment.path_counts().items() if not name.endswith("_bytes")) > 0
