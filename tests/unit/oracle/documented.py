"""The cluster that documented examples are judged in, and both oracles' answer to one question."""

from pathlib import Path

from harness.manifests.objects import load_policies
from harness.model.flow import ICMP, Flow
from harness.model.topology import ContainerPort, Namespace, Pod, Topology
from harness.model.verdict import Answer
from harness.oracle.direct import answer
from harness.oracle.sets import Oracle


def _pod(ref: str, number: int, *ports: ContainerPort, **labels: str) -> Pod:
    namespace, name = ref.split("/")
    return Pod(name, namespace, "n1", labels, ports=ports, ips=(f"172.17.0.{number}", f"fd00::{number}"))


CLUSTER = Topology(
    "documented",
    ("n1",),
    (Namespace("default", {}), Namespace("mine", {"project": "myproject"}), Namespace("bare", {})),
    (
        _pod("default/db", 1, ContainerPort("redis", 6379), ContainerPort("dns", 53, "UDP"), role="db"),
        _pod("default/frontend", 2, ContainerPort("http", 8080), role="frontend"),
        _pod("default/backend", 3, role="backend", env="prod"),
        _pod("mine/any", 4, ContainerPort("http", 9090), role="db"),
        _pod("bare/any", 5, role="frontend"),
    ),
)


def ask(folder: Path, policies: str, question: str) -> Answer:
    """Both oracles' answer to ``source > destination PORT|PROTOCOL/PORT|ICMP/TYPE``, over the family of the addresses or IPv4.

    A ``6`` before the question asks over IPv6.
    """
    (folder / "policy.yaml").write_text(policies)
    loaded = load_policies([folder / "policy.yaml"]).policies
    family = 6 if question.startswith("6 ") else 4
    source, _, destination, service = question.removeprefix("6 ").split()
    protocol, _, number = service.rpartition("/")
    message = ICMP(int(number)) if protocol == "ICMP" else None
    flow = Flow(source, destination, 0 if message else int(number), protocol or "TCP", family, message)
    direct, sets = answer(flow, loaded, CLUSTER), Oracle(loaded, CLUSTER).answer(flow)
    assert direct == sets, str(flow)
    return direct


def head(kind: str, namespace: str | None = "default") -> str:
    """The lines above ``spec``."""
    version = "networking.k8s.io/v1" if kind == "NetworkPolicy" else "cilium.io/v2"
    where = "" if namespace is None else f", namespace: {namespace}"
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: p{where}}}\n"
