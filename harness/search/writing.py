"""A found example as a conformance case: ``scenario.yaml``, and its policies as one would kubectl-apply them."""

import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import yaml

from harness.manifests.writing import manifests
from harness.model.flow import is_pod
from harness.oracle.casebook import flow_line
from harness.search.expected import Expected, ExpectedPacket

SCENARIO, POLICY = "scenario.yaml", "policy.yaml"
AREAS = ("policy", "packets")


@dataclass(frozen=True, slots=True)
class Told:
    """What a case says of itself. ``command``: the arguments of the search that found it."""

    title: str
    command: str


def written(folder: Path, expected: Expected, topology: str, told: Told) -> Path:
    """Write the case below ``folder`` and return its own, ``AREA/CASE``. The same example has the same name every time.

    What a former search wrote there under that name is replaced.
    """
    policies = manifests(expected.policies)
    asked = "".join(f"    - {flow_line(flow, verdict)}\n" for flow, verdict in expected.flows.items())
    shot = "".join(f"    - {_packet_line(each)}\n" for each in expected.packets)
    name = f"found-{sha256((policies + asked + shot).encode()).hexdigest()[:8]}"
    place = folder / AREAS[bool(expected.packets)] / name
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    head = {
        "title": told.title,
        "why": f"Found by a search, and made as small as it could: meshproof {told.command}",
        "topology": topology,
        "apply": [POLICY] if expected.policies else [],
    }
    text = yaml.safe_dump(head, sort_keys=False, default_flow_style=None, width=1000) + "expect:\n"
    text += f"  flows:\n{asked}" if asked else ""
    text += f"  packets:\n{shot}" if shot else ""
    (place / SCENARIO).write_text(text)
    if expected.policies:
        (place / POLICY).write_text(policies)
    return place


def _packet_line(each: ExpectedPacket) -> str:
    packet = each.packet
    said = f"from: {packet.source}, to: {packet.destination}, craft: {packet.craft}"
    said += f", port: {packet.port}" if packet.port else ""
    if packet.claims is not None:
        said += f", claims: {packet.claims}" if is_pod(packet.claims) else f', claims: {{ip: "{packet.claims}"}}'
    said += f", cover: {packet.cover}" if packet.cover is not None else ""
    said += f", family: {packet.family}, verdict: {'forwarded' if each.arrives else 'dropped'}"
    return "{" + said + ("}" if each.delivered else ", control: undelivered}")
