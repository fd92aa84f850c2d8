"""Connections that were open when a change of policy took away the right to have them: ended, and remembered.

Their requests are judged one by one; those that are being answered, and streams, go on until somebody ends them.
"""

from collections.abc import Iterable
from functools import partial

from harness.dataplanes.sidecar_law import Law
from harness.envoy.admission import Direction
from harness.envoy.judged_flows import admits
from harness.envoy.redirect import INBOUND_PORT, OUTBOUND_PORT
from harness.lab.port import LabPod
from harness.lab.redirected import Redirected, end_redirected


class Revoked:
    """What the change now in force ended."""

    def __init__(self) -> None:
        self._ended: dict[Redirected, str] = {}

    def sweep(self, pods: Iterable[LabPod], law: Law) -> None:
        """End what sidecars have accepted, and ``law`` does not let their pods have open. Raises LabError."""
        self._ended.clear()
        for pod in pods:
            with pod.entered():
                for port, direction in ((OUTBOUND_PORT, Direction.EGRESS), (INBOUND_PORT, Direction.INGRESS)):
                    end_redirected(port, partial(self._refused, pod, law, direction))

    def said(self, source: str, destination: str, port: int) -> str | None:
        """By whose rules a connection was ended."""
        return self._ended.get(Redirected(source, destination, port))

    def _refused(self, pod: LabPod, law: Law, direction: Direction, opened: Redirected) -> bool:
        peer = opened.destination if direction is Direction.EGRESS else opened.source
        own = law.pods[pod.pod.ref]
        if peer in own.own or peer in law.fronts or admits(own.requests.scopes, direction, peer, opened.port):
            return False
        self._ended[opened] = f"{direction} of {pod.pod.ref}"
        return True
