"""Conformance cases on nodes that are machines: where each runs its share, and what comes back."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from harness.campaign.conformance.joined import ADAPTER
from harness.campaign.kernel_matrix import build_for
from harness.campaign.observer import Observer
from harness.lab.build import ROOT
from harness.lab.port import LabError
from harness.lab.vm.nodes import on_machines
from harness.model.case import Case, CaseOutcome, CaseResult

SHARE = "harness.campaign.conformance.joined"
CASE_SECONDS = 120.0
"""That a case may take on a data plane, where the processor is interpreted; it takes a few."""

BEGIN_SECONDS = 600.0


def judge_on_machines(
    lab: str, kernel_name: str, cases: Sequence[Case], dataplanes: Sequence[str], observer: Observer
) -> list[CaseResult]:
    """``cases`` on ``dataplanes``, each topology's nodes as machines of a ``lab`` (qemu, vagrant) with one of our kernels.

    Raises LabError.
    """
    observer.planned(len(cases) * len(dataplanes), 0, 0.0)
    build_for(kernel_name, observer)
    results: list[CaseResult] = []
    by_topology = groupby(sorted(cases, key=lambda case: case.topology.name), key=lambda case: case.topology)
    for topology, grouped in by_topology:
        members = list(grouped)
        folders = [_within_checkout(Path(case.origin.file).resolve().parent) for case in members]

        def program(node: str, channel: str, file: str, folders: Sequence[str] = tuple(folders)) -> list[str]:
            return ["-m", SHARE, node, channel, file, ",".join(dataplanes), *folders]

        def told(line: str) -> None:
            (observer.finished if " on " in line and ": " in line else observer.began)(line)

        seconds = BEGIN_SECONDS + CASE_SECONDS * len(members) * len(dataplanes)
        said = on_machines(lab, kernel_name, topology, program, seconds=seconds, told=told)
        areas = {case.id: case.area for case in members}
        results += [
            CaseResult(each.case, areas[each.case], each.dataplane, CaseOutcome(each.outcome), each.reason)
            for each in ADAPTER.validate_json(said)
        ]
    order = {(case.id, plane): number for number, (case, plane) in enumerate((c, p) for c in cases for p in dataplanes)}
    return sorted(results, key=lambda result: order[result.case, result.dataplane])


def _within_checkout(folder: Path) -> str:
    """As nodes find it, which see this checkout and nothing beside it."""
    if not folder.is_relative_to(ROOT):
        raise LabError(f"{folder} is outside of {ROOT}, which is all that machines see: put the case below it")
    return str(folder.relative_to(ROOT))
