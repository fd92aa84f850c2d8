"""Planes without Services and routes say so by file and line."""

import pytest

from harness.dataplanes import registered
from harness.dataplanes.plain import PlainAttachment
from harness.dataplanes.port import NO_ROUTING, DataPlaneError, Feature, No, Yes, unrouted
from harness.model.origin import Origin
from harness.model.route import HTTPRoute
from harness.model.routing import Routing
from harness.model.service import Service

HERE, THERE = Origin("m.yaml", 3), Origin("m.yaml", 9)
SERVICE = Service(THERE, "web", "shop")


def test_the_first_object_is_named() -> None:
    with pytest.raises(DataPlaneError, match=r"^m.yaml:9: mesh has no Services and routes; leave Service shop/web out"):
        unrouted(Routing((SERVICE,)), "mesh")
    with pytest.raises(DataPlaneError, match=r"^m.yaml:3: mesh .* leave HTTPRoute shop/r out"):
        unrouted(Routing((SERVICE,), http_routes=(HTTPRoute(HERE, "r", "shop"),)), "mesh")
    unrouted(NO_ROUTING, "mesh")


def test_a_plane_without_routes_refuses_before_it_changes_anything() -> None:
    attachment = PlainAttachment()
    with pytest.raises(DataPlaneError, match=r"m.yaml:9: plain"):
        attachment.apply((), Routing((SERVICE,)))
    assert attachment.apply(()).number == 1


def test_every_plane_says_whether_it_routes_and_if_not_why() -> None:
    answers = {name: plane.supports(Feature.L7_ROUTING) for name, plane in registered().items()}
    for name in ("node-proxy", "ebpf-l7", "sidecar", "sidecar-mtls"):
        assert isinstance(answers.pop(name), Yes)
    assert all(isinstance(each, No) and each.reason for each in answers.values())
