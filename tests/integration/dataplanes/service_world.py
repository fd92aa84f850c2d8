"""A cluster whose pods stand behind Services, on two nodes."""

from harness.model.origin import Origin
from harness.model.service import Service, ServicePort
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

HERE = Origin("services.yaml", 1)
PORT = 8080
"""Of the pods; Services have port 80."""


def _pod(ref: str, node: str, **labels: str) -> Pod:
    namespace, name = ref.split("/")
    return Pod(name, namespace, node, {"app": name, **labels}, ports=(ContainerPort("http", PORT),))


ROUTED = Topology(
    "routed",
    ("n1", "n2"),
    (Namespace("shop"), Namespace("consumer")),
    (
        _pod("shop/client", "n1"),
        _pod("consumer/client", "n1"),
        _pod("shop/v1", "n2", tier="backend"),
        _pod("shop/v2", "n1", tier="backend"),
    ),
)


def service(name: str, namespace: str = "shop", target: int | str = "http", **selector: str) -> Service:
    """A Service with port 80."""
    return Service(HERE, name, namespace, (ServicePort(HERE, 80, "http", target),), selector)


SERVICES = (
    service("web", tier="backend"),
    service("all", tier="backend"),
    service("v1", app="v1"),
    service("v2", target=PORT, app="v2"),
    service("nobody", app="nobody"),
)
"""Of both versions two, of each one, and one without endpoints."""

PODS = {"web": ("v1", "v2"), "all": ("v1", "v2"), "v1": ("v1",), "v2": ("v2",)}
