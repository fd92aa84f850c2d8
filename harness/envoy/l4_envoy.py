"""The Envoy for TCP of one node: its process, what it is told, and the proof that it does as it is told."""

import os
import time
from concurrent.futures import Executor
from pathlib import Path

from harness.envoy.ads import AdsServer
from harness.envoy.delivery import write_json
from harness.envoy.errors import NotAccepted
from harness.envoy.evidence import Denial, Denials
from harness.envoy.l4_resources import NodeView, described
from harness.envoy.l4_tuning import L4Tuning
from harness.envoy.node_bootstrap import node_bootstrap
from harness.envoy.process import BOOTSTRAP_FILE, Proxy
from harness.envoy.redirect import PROXY_ID
from harness.envoy.resources import CLUSTER, LISTENER, message
from harness.lab.port import LabNode

CAPABILITIES = "+net_raw"
"""The least with which the kernel grants IP_TRANSPARENT, to listen for and to speak from addresses of pods, and SO_MARK."""

POLL_SECONDS = 0.005
RECORD_SECONDS = 1.0
"""For Envoy to write down what it has refused."""

DENIED = r"\.rbac\.denied$"
ACCEPTED = ("listener_manager.listener_added", "listener_manager.listener_modified")
TAKEN_UP = "listener_manager.listener_create_success"
"""Counts each worker that has taken up a listener which the main thread has accepted, new or modified."""


class L4Envoy:
    """Methods raise EnvoyError. ``folder`` is its own; ``spawner`` as for ``Proxy``."""

    def __init__(
        self, node: LabNode, folder: Path, server: AdsServer, tuning: L4Tuning, spawner: Executor, view: NodeView
    ) -> None:
        self.node = node
        self.folder = folder
        self.denials = Denials(folder)
        self._server = server
        self._tuning = tuning
        self._listeners = 0
        write_json(folder / BOOTSTRAP_FILE, node_bootstrap(node.name, folder, server.path, tuning))
        for path in (folder, *folder.iterdir()):
            os.chown(path, PROXY_ID, PROXY_ID)
        self.process = Proxy(node, f"node {node.name}", folder, tuning, spawner, CAPABILITIES)
        self._publish(view)

    def start(self, seconds: float) -> None:
        """Start it; returns when it takes connections."""
        self.process.start()
        self.await_serving(seconds)

    def await_serving(self, seconds: float) -> None:
        """Return when a process that was started has all it was told, and each worker takes connections."""
        deadline = time.monotonic() + seconds
        self.process.await_ready(seconds)
        self._server.await_accepted(self.node.name, deadline - time.monotonic())
        self._await_taken_up(self._listeners * self._tuning.concurrency, deadline)

    def stop(self) -> None:
        """End it, if it runs."""
        self.process.stop()
        self._server.forget(self.node.name)

    def tell(self, view: NodeView, seconds: float) -> None:
        """Have it know ``view``; returns when every new connection is treated so. Raises NotAccepted.

        Connections that are open go on under what it was told before.
        """
        deadline = time.monotonic() + seconds
        accepted, taken_up = self._accepted(), self._taken_up()
        self._publish(view)
        self._server.await_accepted(self.node.name, seconds)
        changed = self._accepted() - accepted
        self._await_taken_up(taken_up + changed * self._tuning.concurrency, deadline)

    def latest_denial(self, source: str, destination: str, port: int) -> Denial | None:
        """As ``Denials.latest`` of all that Envoy has refused by now."""
        self._await_records()
        return self.denials.latest(source, destination, port)

    def forget_denials(self) -> None:
        """Look no more at what was refused until now."""
        self._await_records()
        self.denials.forget()

    def _publish(self, view: NodeView) -> None:
        clusters, listeners = described(view, self._tuning, self.folder)
        self._listeners = len(listeners)
        told = {CLUSTER: [message(each) for each in clusters], LISTENER: [message(each) for each in listeners]}
        self._server.publish(self.node.name, told)

    def _accepted(self) -> int:
        found = self.process.admin.statistics(f"^({'|'.join(ACCEPTED)})$")
        return sum(int(count) for count in found.values())

    def _taken_up(self) -> int:
        return int(self.process.admin.statistics(f"^{TAKEN_UP}$").get(TAKEN_UP, 0))

    def _await_taken_up(self, wanted: int, deadline: float) -> None:
        while self._taken_up() < wanted:
            if time.monotonic() > deadline:
                raise NotAccepted(f"Envoy of node {self.node.name}: not every worker has taken up a change in time")
            time.sleep(POLL_SECONDS)

    def _await_records(self) -> None:
        """Envoy counts a denial before it ends the connection, and writes it down a moment after."""
        deadline = time.monotonic() + RECORD_SECONDS
        counted = sum(map(int, self.process.admin.statistics(DENIED).values())) if self.process.pids else 0
        while self.denials.written() < counted and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
