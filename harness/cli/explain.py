"""``meshproof explain``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.status import guarded, say
from harness.manifests.errors import Fault, ManifestError
from harness.manifests.flows import load_flows
from harness.manifests.objects import Loaded, load_policies
from harness.manifests.topology import load_topology
from harness.model.flow import Flow
from harness.model.topology import Topology
from harness.model.verdict import Answer
from harness.oracle.direct import answer
from harness.report.explanation import explanation_json


def explain(
    manifests: Annotated[list[Path], typer.Option("--manifests", help="Files or folders of Kubernetes YAML; repeatable.")],
    topology: Annotated[
        Path, typer.Option(help="Namespaces and pods, or what kubectl get namespaces,pods -A -o yaml printed.")
    ],
    flows: Annotated[Path, typer.Option(help="A list of flows, as YAML or JSON.")],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="More files or folders for --manifests.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON, in the flows' order.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse objects that are not judged.")] = False,
) -> int:
    """Say what should become of flows under policies, and which rule of which file decides.

    Needs neither root nor a lab. Objects that carry neither policy nor routing are counted on standard error.

    Example: meshproof explain --manifests policies/ --topology cluster.yaml --flows flows.yaml
    """

    def command() -> None:
        policies, cluster, asked = _read([*manifests, *(more or ())], topology, flows, strict)
        if policies.not_judged:
            say(f"not judged: {', '.join(f'{count} {kind}' for kind, count in sorted(policies.not_judged.items()))}")
        answers = [(flow, answer(flow, policies.policies, cluster)) for flow in asked]
        typer.echo(explanation_json([each for _, each in answers]) if as_json else _table(answers))

    return guarded(command)


def _read(manifests: Sequence[Path], topology: Path, flows: Path, strict: bool) -> tuple[Loaded, Topology, list[Flow]]:
    """All three kinds of files. Raises ManifestError with the faults of all of them, so that they can be mended at once."""
    faults: list[Fault] = []
    policies, cluster, asked = Loaded(()), None, []
    try:
        policies = load_policies(manifests, strict=strict)
    except ManifestError as error:
        faults += error.faults
    try:
        cluster = load_topology(topology)
        asked = load_flows(flows, cluster)
    except ManifestError as error:
        faults += error.faults
    if faults or cluster is None:
        raise ManifestError(faults)
    return policies, cluster, asked


def _table(answers: Sequence[tuple[Flow, Answer]]) -> str:
    """A line for each flow; below it what each end says."""
    width = max((len(str(flow)) for flow, _ in answers), default=0)
    lines = []
    for flow, given in answers:
        lines.append(f"{flow!s:{width}}  {given.verdict.value.upper()}")
        for name, decision in (("egress", given.egress), ("ingress", given.ingress)):
            rule = "" if decision.rule is None else f" ({decision.rule})"
            lines.append(f"  {name:7}  {decision.verdict.value}: {decision.reason}{rule}")
    return "\n".join(lines)
