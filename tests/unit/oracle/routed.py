"""The cluster that examples of routing are judged in, and the oracle's answers to one request.

Namespaces and Services stand for those of Gateway API's conformance suite, by shorter names: ``mesh`` with ``echo``,
``echo-v1`` and ``echo-v2``, ``infra`` with a Gateway ``same-namespace`` and ``v1`` to ``v3``, and ``app`` and ``web``.
"""

from collections.abc import Mapping
from pathlib import Path

from harness.manifests.objects import load_manifests
from harness.model.request import GRPCRequest, HTTPRequest
from harness.model.routing import Call, Forwarded, RouteAnswer
from harness.model.topology import Namespace, Pod, Topology
from harness.oracle.routing import Router

ECHO = "gateway_api_conformance.echo_basic.grpcecho.GrpcEcho"


def _pod(ref: str, **labels: str) -> Pod:
    namespace, name = ref.split("/")
    return Pod(name, namespace, "n1", labels)


CLUSTER = Topology(
    "routed",
    ("n1",),
    (Namespace("mesh"), Namespace("consumer"), Namespace("infra"), Namespace("app"), Namespace("web", {"backend": "yes"})),
    (
        _pod("mesh/echo-v1", app="echo", version="v1"),
        _pod("mesh/echo-v2", app="echo", version="v2"),
        _pod("consumer/echo-v1", app="echo", version="v1"),
        *(_pod(f"infra/v{number}", app=f"v{number}") for number in (1, 2, 3)),
        _pod("app/v1", app="v1"),
        _pod("web/v1", app="v1"),
    ),
)


def service(ref: str, *ports: int, selector: str = "", more: str = "") -> str:
    """A Service of TCP ports."""
    namespace, name = ref.split("/")
    listed = ", ".join(f"{{name: p{port}, port: {port}}}" for port in ports)
    spec = f"{{ports: [{listed}], selector: {{{selector}}}{more}}}"
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n"


def route(ref: str, spec: str, kind: str = "HTTPRoute", created: str = "") -> str:
    """A route; ``spec`` is what follows ``spec:``, indented."""
    namespace, name = ref.split("/")
    head = f"apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\n"
    when = f", creationTimestamp: {created}" if created else ""
    return f"{head}metadata: {{name: {name}, namespace: {namespace}{when}}}\nspec:\n{spec}\n---\n"


def gateway(name: str, listeners: str) -> str:
    """A Gateway of the namespace ``infra``."""
    head = f"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: infra}}\n"
    return f"{head}spec:\n  gatewayClassName: mesh\n  listeners: {listeners}\n---\n"


SERVICES = "".join(
    (
        service("mesh/echo", 80, 8080, 7070, selector="app: echo"),
        service("mesh/echo-v1", 80, 8080, 7070, selector="app: echo, version: v1"),
        service("mesh/echo-v2", 80, 8080, 7070, selector="app: echo, version: v2"),
        *(service(f"infra/v{number}", 8080, selector=f"app: v{number}") for number in (1, 2, 3)),
        service("app/v1", 8080, selector="app: v1"),
        service("web/v1", 8080, selector="app: v1"),
    )
)
GATEWAYS = gateway("same-namespace", "[{name: http, port: 80, protocol: HTTP}]")


def router(folder: Path, manifests: str) -> Router:
    """The oracle for ``manifests``, beside the Services and the Gateway."""
    (folder / "m.yaml").write_text(SERVICES + GATEWAYS + manifests)
    return Router(load_manifests([folder / "m.yaml"], services=True).routing, CLUSTER)


def ask(
    oracle: Router,
    to: str,
    path: str = "/",
    *,
    port: int = 80,
    source: str = "mesh/echo-v1",
    method: str = "GET",
    host: str | None = None,
    headers: Mapping[str, str] | None = None,
    grpc: str = "",
) -> tuple[RouteAnswer, ...]:
    """The answers to a request to a Service, or to ``gateway namespace/name``; of gRPC to a ``grpc`` method."""
    pairs = tuple((headers or {}).items())
    request = GRPCRequest(grpc, host, pairs) if grpc else HTTPRequest(method, path, host, pairs)
    return oracle.answer(Call(source, to.removeprefix("gateway "), port, request, to.startswith("gateway ")))


def shown(answers: tuple[RouteAnswer, ...]) -> str | int:
    """The only answer: its backend, its status, or ``grpc`` and the status of gRPC."""
    (only,) = answers
    if isinstance(only, Forwarded):
        return only.backend
    return f"grpc {only.headers['grpc-status']}" if "grpc-status" in only.headers else only.status
