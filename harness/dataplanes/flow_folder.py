"""The flow events of a node, as files: what its agent has filed, and who and what the addresses and names in that were."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.dataplanes.flow_records import (
    Names,
    Reasons,
    Record,
    lost_record,
    seen_record,
    served_record,
)
from harness.envoy.flow_lines import read
from harness.mesh.l7flowlog import FlowLog, Lost, SeenRequest
from harness.model.origin import Origin
from harness.model.topology import Topology

FLOWS = "flows"
"""The folder in the lab's own; a folder a node is in it."""

FORMAT = 1
_FILE = "names.json"
KEPT = 64
"""Changes of policies or pods of which names are kept."""


class NodeFlows:
    """Records of the requests of one node. Whoever reads needs no more than its folder, called as the node is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = FlowLog(folder)
        self._reasons = Reasons()
        self._known: list[tuple[int, Names]] = []

    def now_known(self, topology: Topology, services: Mapping[str, Sequence[str]], rules: Mapping[str, Origin]) -> None:
        """Have readers know whose addresses these are from now on, and what ``rules`` the node's Envoy refuses by."""
        pods = {ip: (pod.ref, pod.node) for pod in topology.pods for ip in pod.ips}
        fronts = {address: name for name, each in services.items() for address in each}
        names = Names(self._folder.name, pods, fronts, {name: str(rule) for name, rule in rules.items()})
        self._known = [*self._known[1 - KEPT :], (time.time_ns(), names)]
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f"{_FILE}.partial"
        known = [{"since": at, "pods": each.pods, "services": each.services, "rules": each.rules} for at, each in self._known]
        partial.write_text(json.dumps({"format": FORMAT, "known": known}), encoding="utf-8")
        partial.rename(self._folder / _FILE)

    def new(self) -> list[tuple[int, Record]]:
        """Records since the last call, each with its time in ns."""
        filed = list(self._log.new())
        known = self._read() if filed else []
        found = []
        for each in filed:
            if isinstance(each, Lost):
                found.append((each.time, lost_record(each, self._folder.name)))
            elif not isinstance(each, SeenRequest):
                served = read(each)
                found.append((served.time, served_record(served, self._reasons.of(served), _at(known, served.time))))
            elif each.slow is None:
                found.append((each.time, seen_record(each, _at(known, each.time))))
            else:
                self._reasons.heard(each)
        return found

    def _read(self) -> list[tuple[int, Names]]:
        node = self._folder.name
        try:
            said = json.loads((self._folder / _FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return [(0, Names(node))]
        rules = {name: rule for each in said["known"] for name, rule in each["rules"].items()}
        # Envoy knows of rules a moment before they are in force; their names are of one change alone
        return [
            (each["since"], Names(node, {ip: tuple(pod) for ip, pod in each["pods"].items()}, each["services"], rules))
            for each in said["known"]
        ]


def _at(known: Sequence[tuple[int, Names]], time: int) -> Names:
    """Of ``known``, which is by time, what was so at ``time``."""
    return next((names for since, names in reversed(known) if since <= time), known[0][1])


def in_order(nodes: Iterable[NodeFlows]) -> list[Record]:
    """New records of all ``nodes``, by time."""
    found = [each for node in nodes for each in node.new()]
    return [record for _, record in sorted(found, key=lambda each: each[0])]


def folders(lab: Path) -> list[Path]:
    """The folders of the nodes of a lab that has its own folder at ``lab``; none where no flows are asked for."""
    return sorted(path for path in (lab / FLOWS).glob("*") if path.is_dir())
