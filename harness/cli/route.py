"""``meshproof route``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.status import guarded


def route(
    manifests: Annotated[
        list[Path],
        typer.Option("--manifests", help="Files or folders of Kubernetes YAML; repeatable."),
    ],
    topology: Annotated[
        Path, typer.Option(help="Namespaces and pods, or what kubectl get namespaces,pods -A -o yaml printed.")
    ],
    requests: Annotated[Path, typer.Option(help="A list of requests, as YAML or JSON.")],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="More files or folders for --manifests.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON, in the requests' order.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse objects that are not judged.")] = False,
) -> int:
    """Say where requests to Services and Gateways should go, and which rule of which route decides.

    Answers for HTTPRoute and GRPCRoute of Gateway API, attached to Services or to Gateways. Needs neither root nor a lab.
    Whether policies let a request through is what `explain` says. Objects that carry neither policy nor routing are counted on
    standard error.

    \b
    Examples:
      meshproof route --manifests shop/ --topology cluster.yaml --requests requests.yaml
      meshproof route --manifests shop/ --topology cluster.yaml --requests requests.json --json
    where requests.yaml holds
      - {from: shop/client, to: shop/web, port: 80, http: {path: /cart, headers: {x-user: a}}}
      - {from: shop/client, to: shop/rpc, port: 50051, grpc: {method: shop.Cart/Add}}
      - {from: {ip: 192.0.2.7}, to: {gateway: infra/edge}, port: 80, http: {host: shop.example.com}}
    """

    def command() -> None:
        from harness.cli.routing import routed  # noqa: PLC0415 -- readers and oracle, not for --help

        typer.echo(routed([*manifests, *(more or ())], topology, requests, strict=strict, as_json=as_json))

    return guarded(command)
