"""Candidates for generated conformance cases.

casebook.yaml lists the fields and the classes of their values; each class becomes a case of the area ``policy``, or of the one
that its subject names, with the direct oracle's verdicts. The same list and seed make the same files. Which of them are
committed is for harness.campaign.coverage.casebook to choose, which also writes them all again.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import yaml

from harness.model.flow import Flow, Verdict
from harness.model.request import HTTPRequest
from harness.model.topology import Topology
from harness.oracle import casebook_values as values
from harness.oracle.casebook_flows import Judged, chosen, flows, judged
from harness.oracle.casebook_requests import written

AREA: Final = "policy"
AREAS: Final = (AREA, "l7")
_LIST: Final = Path(__file__).with_name("casebook.yaml")
_TOPOLOGIES: Final = Path(__file__).parents[2] / "scenarios" / "topologies"
_TOPOLOGY: Final = "mesh"
_POLICY: Final = "policy.yaml"
_ABSENT: Final = "ABSENT"
_VERSIONS: Final = {"NetworkPolicy": "networking.k8s.io/v1"}
_CILIUM: Final = "cilium.io/v2"
_WRITTEN: Final = "# By python -m harness.campaign.coverage.casebook from casebook.yaml: change that list, not this file.\n"
_SCHEMA: Final = "# yaml-language-server: $schema=../../../../docs/schemas/conformance-case.schema.json\n"

# Where a value denies nothing that can be asked, another policy isolates a pod's egress: a data plane that forwards
# everything, or that has applied nothing yet, must not pass.
_BACKDROP: Final = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "backdrop", "namespace": "lab"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
}


@dataclass(frozen=True, slots=True)
class GeneratedCase:
    """A folder's name, the text of each file in it, and the area where it belongs."""

    name: str
    files: Mapping[str, str]
    area: str = AREA

    @property
    def id(self) -> str:
        """``area/name``."""
        return f"{self.area}/{self.name}"


@dataclass(frozen=True, slots=True)
class _Draft:
    """A case before its flows are chosen; ``objects`` are Kubernetes objects as plain data."""

    name: str
    field: str
    value: str
    objects: Sequence[dict[str, Any]]


def cases() -> list[GeneratedCase]:
    """All generated cases, in the order of the list."""
    book = yaml.safe_load(_LIST.read_text())
    topology = values.topology(_TOPOLOGY, yaml.safe_load((_TOPOLOGIES / f"{_TOPOLOGY}.yaml").read_text()))
    made: dict[str, GeneratedCase] = {}  # by what is applied, names aside: no two cases apply the same
    for name, subject in book["subjects"].items():
        area = subject.get("area", AREA)
        for case in _cases(_drafts(name, subject, book["values"]), subject["asks"], area, topology):
            made.setdefault(case.files[_POLICY].replace(f"name: {name}", ""), case)
    return list(made.values())


def write(folder: Path, made: Sequence[GeneratedCase]) -> int:
    """Replace the generated cases below ``folder`` by ``made`` and return how many there are."""
    for old in (old for area in AREAS for old in (folder / area).glob("gen-*")):
        shutil.rmtree(old)
    for case in made:
        place = folder / case.area / case.name
        place.mkdir(parents=True)
        for file, text in case.files.items():
            (place / file).write_text(text)
    return len(made)


def _drafts(name: str, subject: Mapping[str, Any], classes: Mapping[str, Mapping[str, Any]]) -> Iterator[_Draft]:
    for number, (described, value) in enumerate(_values(subject, classes), start=1):
        objects = [_object(name, template, value) for template in subject["policies"]]
        yield _Draft(f"gen-{name}-{number:03d}", subject["field"], described, objects)


def _values(subject: Mapping[str, Any], classes: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The classes of a subject's values, each described; those of a product are mappings of fields."""
    if "values" in subject:
        for described, value in classes[subject["values"]].items():
            if "prefix" in subject:
                yield described, {f"{subject['prefix']}{field}": each for field, each in value.items()}
            else:
                yield described, value
        return
    fields = subject["product"]
    for combination in product(*(classes[each].items() for each in fields.values())):
        pairs = list(zip(fields, combination, strict=True))
        described = ", ".join(f"{field}: {word}" for field, (word, _) in pairs)
        yield described, _nested({field: value for field, (_, value) in pairs})


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """``{"a.b": 1}`` as ``{"a": {"b": 1}}``; what is absent is left out."""
    nested: dict[str, Any] = {}
    for path, value in fields.items():
        outer, _, inner = path.rpartition(".")
        if value != _ABSENT:
            (nested.setdefault(outer, {}) if outer else nested)[inner] = value
    return nested


def _object(name: str, template: Mapping[str, Any], value: object) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": template["namespace"]} if "namespace" in template else {})
    return {
        "apiVersion": _VERSIONS.get(template["kind"], _CILIUM),
        "kind": template["kind"],
        "metadata": metadata,
        "spec": _filled(template["spec"], value),
    }


def _filled(template: Any, value: Any) -> Any:
    match template:
        case "VALUE":
            return deepcopy(value)  # a copy, so that YAML writes no aliases
        case list():
            return [_filled(item, value) for item in template]
        case dict():
            filled: dict[str, Any] = {}
            for field, entry in template.items():
                filled |= deepcopy(value) if field == "FIELDS" else {field: _filled(entry, value)}
            return filled
        case _:
            return template


def _cases(drafts: Iterator[_Draft], asks: str, area: str, topology: Topology) -> Iterator[GeneratedCase]:
    siblings: dict[str, Judged] = {}
    objects: dict[str, Sequence[dict[str, Any]]] = {}
    candidates = flows(asks, topology)
    listed = {draft.name: draft for draft in drafts}
    for name, draft in listed.items():
        for objects[name] in (draft.objects, [*draft.objects, _BACKDROP]):
            siblings[name] = judged(candidates, [values.policy(each) for each in objects[name]], topology)
            if siblings[name].denied:
                break
    for name, draft in listed.items():
        scenario = _scenario(draft, chosen(name, candidates, siblings))
        yield GeneratedCase(name, {_POLICY: "---\n".join(map(_text, objects[name])), "scenario.yaml": scenario}, area)


def _scenario(draft: _Draft, expected: Mapping[Flow, Verdict]) -> str:
    head = {
        "title": f"{draft.field}: {draft.value}",
        "why": f"Covers {draft.field} with this class of values: {draft.value}. Its flows tell it best from others.",
        "topology": _TOPOLOGY,
        "generated": True,
        "apply": [_POLICY],
    }
    listed = "".join(f"    - {flow_line(flow, verdict)}\n" for flow, verdict in expected.items())
    return f"{_SCHEMA}{_WRITTEN}{_text(head)}expect:\n  flows:\n{listed}"


def _text(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=1000)


def flow_line(flow: Flow, verdict: Verdict) -> str:
    """An entry of a case's ``flows``."""
    if flow.icmp is not None:
        what = f"protocol: ICMP, icmp: {{type: {flow.icmp.type}}}"
    elif isinstance(flow.request, HTTPRequest):
        what = f"port: {flow.port}, http: {{{written(flow.request)}}}"
    else:
        what = f"port: {flow.port}, protocol: {flow.protocol}"
    said = f"{verdict}, status: 403" if verdict is Verdict.REJECTED else str(verdict)
    return f"{{from: {flow.source}, to: {flow.destination}, {what}, family: {flow.family}, verdict: {said}}}"
