"""One node's share of conformance where nodes are machines: a program, started in each, all of which do the same in step.

python -m harness.campaign.conformance.joined NODE CHANNEL FILE DATAPLANES CASE...: CHANNEL is what the others are heard by, -
for standard input and output; FILE gets the outcomes, as ``CaseOn`` in JSON; DATAPLANES are joined by commas.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from pydantic import TypeAdapter

from harness.campaign.conformance.apply import applied
from harness.campaign.conformance.features import obstacle
from harness.campaign.conformance.oracles import Consulted, consult
from harness.campaign.conformance.sights import ADMITTED_SECONDS, ask_together, sights
from harness.campaign.conformance.step import all_asked
from harness.campaign.conformance.wires import on_wires
from harness.dataplanes import find
from harness.dataplanes.port import Attachment, DataPlane, DataPlaneError
from harness.judge.conformance import judge
from harness.lab import netns
from harness.lab.addressing import plan
from harness.lab.port import Lab, LabError
from harness.manifests.case import load_cases
from harness.model.bench import Opened
from harness.model.case import Case, CaseOutcome
from harness.model.flow import Verdict, is_pod
from harness.model.kernels import CaseOn
from harness.model.peers import Peers
from harness.traffic.arrivals import Responder
from harness.traffic.port import LoadFailed
from harness.traffic.responder import serve_all

ADAPTER = TypeAdapter(list[CaseOn])
CONTROL = "plain"
JOINED = ("ebpf", "ebpf-sockmap", "nftables")
"""Data planes of which each node's share needs nothing of another node's but packets. Others hold their lab in one process."""


class Line:
    """The other nodes, by a line of JSON each way at a time: the harness answers when it has everybody's."""

    def __init__(self, reading: TextIO, writing: TextIO) -> None:
        self._reading = reading
        self._writing = writing

    def together(self, mine: dict[str, Any]) -> dict[str, Any]:
        """See Peers. Raises LabError where another node has gone."""
        self._writing.write(json.dumps(mine) + "\n")
        self._writing.flush()
        answer = self._reading.readline()
        if not answer:
            raise LabError("another node of the lab has gone")
        found: dict[str, Any] = json.loads(answer)
        return found


class Share:
    """Cases on data planes, at this node."""

    def __init__(self, node: str, peers: Peers) -> None:
        self._node = node
        self._peers = peers
        self.results: list[CaseOn] = []

    def judge(self, cases: Sequence[Case], planes: Sequence[DataPlane]) -> None:
        """All cases, which are of one topology, on all planes; the control first."""
        addressed = plan(cases[0].topology).topology
        consulted = {case.id: consult(case, addressed) for case in cases}
        asked = []
        for case in cases:
            why = consulted[case.id].contradictions or unasked(case)
            if why:
                kind = CaseOutcome.ERROR if consulted[case.id].contradictions else CaseOutcome.UNSUPPORTED
                self.results += [CaseOn(case.id, plane.name, kind, "\n".join(why)) for plane in planes]
            else:
                asked.append(case)
        if not asked:
            return
        unreached = self._on_control(asked)
        for plane in planes:
            mine = []
            for case in asked:
                found = obstacle(case, plane)
                lost = [unreached[flow] for flow in _flows([case]) if flow in unreached]
                if found is not None:
                    self.results.append(CaseOn(case.id, plane.name, *found))
                elif lost:
                    self.results.append(CaseOn(case.id, plane.name, CaseOutcome.ERROR, "\n".join(lost)))
                else:
                    mine.append(case)
            if mine:
                self._on_plane(mine, plane, consulted)

    def _on_control(self, cases: Sequence[Case]) -> dict[Any, str]:
        with self._attached(cases, find(CONTROL)) as (lab, _, _):
            flows = _flows(cases)
            asked = ask_together(flows, lab, self._peers, ADMITTED_SECONDS)
        return {
            flow: f"{flow}: {seen.verdict} ({seen.detail}) on {CONTROL}, where nothing denies"
            for flow, seen in zip(flows, asked, strict=True)
            if seen.verdict is not Verdict.FORWARDED
        }

    def _on_plane(self, cases: Sequence[Case], plane: DataPlane, consulted: dict[str, Consulted]) -> None:
        with self._attached(cases, plane) as (lab, servers, attachment):
            for case in cases:
                outcome, reason = self._case(case, plane, lab, servers, attachment, consulted[case.id])
                self.results.append(CaseOn(case.id, plane.name, outcome, reason))
                print(f"{case.id} on {plane.name}: {outcome}", file=sys.stderr, flush=True)

    def _case(
        self,
        case: Case,
        plane: DataPlane,
        lab: Lab,
        servers: dict[str, Responder],
        attachment: Attachment,
        consulted: Consulted,
    ) -> tuple[CaseOutcome, str]:
        for step, answers in zip(case.steps, consulted.answers, strict=True):
            failed = ""
            try:
                applied(attachment, step.policies, step.routing)
            except DataPlaneError as error:  # it claims to support what the case asks for
                failed = f"{step.origin}: the policies are not in force on node {self._node}: {error}"
            everywhere = self._peers.together({self._node: failed})  # in force on every node before anybody asks
            faults = [said for said in everywhere.values() if said]
            if faults:
                return CaseOutcome.FAIL, "\n".join(faults)
            with on_wires(lab) as wires:
                seen = sights(step, plane, lab, attachment, servers, peers=self._peers)
                all_asked(step, seen)
                faults = [*judge(seen, answers).faults, *wires.faults(step, seen, self._peers)]
            if faults:
                return CaseOutcome.FAIL, "\n".join(faults)
        return CaseOutcome.PASS, ""

    @contextmanager
    def _attached(self, cases: Sequence[Case], plane: DataPlane) -> Iterator[tuple[Lab, dict[str, Responder], Attachment]]:
        self._peers.together({self._node: "up"})
        with netns.up(cases[0].topology, here=self._node) as lab:
            ports = sorted({flow.port for flow in _flows(cases)} - {0})
            pods = [pod for node in lab.nodes for pod in node.pods]
            with serve_all(pods, ports) as servers, plane.attach(lab) as attachment:
                self._peers.together({self._node: "attached"})
                yield lab, dict(servers), attachment
                self._peers.together({self._node: "done"})


def unasked(case: Case) -> list[str]:
    """Why a case cannot be asked between machines; empty where it can."""
    if case.technique is not None or case.churns:
        return ["it changes its lab, which is one machine's"]
    for step in case.steps:
        if step.packets or step.exchanges or step.requests:
            return [f"{step.origin}: packets, exchanges and requests to Services are asked on one machine alone"]
        for each in step.expectations:
            if each.opened is not Opened.NOW or each.flow.request is not None:
                return [f"{each.origin}: between machines flows are asked afresh, and not by requests"]
            if not (is_pod(each.flow.source) and is_pod(each.flow.destination)):
                return [f"{each.origin}: between machines flows are asked by pods of pods"]
    return []


def _flows(cases: Sequence[Case]) -> list[Any]:
    return list(dict.fromkeys(each.flow for case in cases for step in case.steps for each in step.expectations))


def run(node: str, peers: Peers, planes: Sequence[DataPlane], cases: Sequence[Case]) -> list[CaseOn]:
    """All ``cases`` on all ``planes``; the same on every node."""
    share = Share(node, peers)
    strange = [plane for plane in planes if plane.name not in JOINED]
    for plane in strange:
        reason = "this data plane holds its lab in one process, which nodes on machines of their own are not"
        share.results += [CaseOn(case.id, plane.name, CaseOutcome.UNSUPPORTED, reason) for case in cases]
    joined = [plane for plane in planes if plane.name in JOINED]
    for _, members in groupby(sorted(cases, key=lambda case: case.topology.name), key=lambda case: case.topology):
        share.judge(list(members), joined)
    return share.results


def main() -> None:
    """Do this node's share; its outcomes are everybody's."""
    node, channel, file, names, *paths = sys.argv[1:]
    if channel == "-":
        reading, writing = sys.stdin, os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(2, 1)  # whatever else prints must not be taken for a line
    else:
        both = os.open(channel, os.O_RDWR)  # such a port is opened once
        reading, writing = os.fdopen(both, encoding="ascii"), os.fdopen(os.dup(both), "w", encoding="ascii")
    try:
        results = run(
            node, Line(reading, writing), [find(name) for name in names.split(",")], load_cases(list(map(Path, paths)))
        )
    except (LabError, DataPlaneError, LoadFailed) as error:
        print(f"node {node}: {error}", file=sys.stderr, flush=True)
        sys.exit(3)
    Path(file).write_bytes(ADAPTER.dump_json(results))


if __name__ == "__main__":
    main()
