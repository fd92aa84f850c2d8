"""The Envoy of one node: its process, what it is told, and the proof that it does as it is told."""

import os
import time
from concurrent.futures import Executor
from itertools import count
from pathlib import Path

from harness.envoy import node_listeners, request_resources
from harness.envoy.ads import AdsServer
from harness.envoy.delivery import write_json
from harness.envoy.flow_lines import FLOWS_FILE
from harness.envoy.node_bootstrap import node_bootstrap
from harness.envoy.node_tuning import NodeTuning
from harness.envoy.process import BOOTSTRAP_FILE, Proxy
from harness.envoy.records import await_written
from harness.envoy.redirect import PROXY_ID
from harness.envoy.request_denials import RefusedRequest, RefusedRequests
from harness.envoy.request_rules import NONE, RequestRules
from harness.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Message, message
from harness.envoy.service_resources import (
    ServiceRules,
    service_clusters,
    service_endpoints,
    service_listener,
    service_routes,
)
from harness.envoy.workers import await_created, created
from harness.lab.port import LabNode

CAPABILITIES = "+net_raw"
"""The least with which the kernel grants IP_TRANSPARENT: to listen for, and to speak from, addresses of pods."""

NO_SERVICES = ServiceRules()


class NodeEnvoy:
    """Methods raise EnvoyError. ``folder`` is its own; ``spawner`` as for ``Proxy``."""

    def __init__(self, node: LabNode, folder: Path, server: AdsServer, tuning: NodeTuning, spawner: Executor) -> None:
        self.node = node
        self._refused = RefusedRequests(folder)
        self._server = server
        self._tuning = tuning
        self._numbers = count(1)
        self._number = 0
        self._cluster = message(request_resources.cluster(tuning))
        self._listeners = (message(node_listeners.listener(tuning, folder)), message(service_listener(tuning, folder)))
        self._mark: Message | None = None
        self._backends: dict[str, Message] = {}
        self._members: dict[str, Message] = {}
        self._routes = _routes(NONE, NO_SERVICES, tuning)
        self.flow_log = folder / FLOWS_FILE if tuning.flows else None
        if self.flow_log is not None:
            self.flow_log.touch()
        write_json(folder / BOOTSTRAP_FILE, node_bootstrap(node.name, folder, server.path, tuning))
        for path in (folder, *folder.iterdir()):
            os.chown(path, PROXY_ID, PROXY_ID)
        self.process = Proxy(node, f"node {node.name}", folder, tuning, spawner, CAPABILITIES)
        self._publish()

    def start(self, seconds: float) -> None:
        """Start it; returns when it takes connections."""
        self.process.start()
        self.process.await_ready(seconds)
        self._server.await_accepted(self.node.name, seconds)

    def stop(self) -> None:
        """End it, if it runs."""
        self.process.stop()
        self._server.forget(self.node.name)

    def judge_by(self, rules: RequestRules, services: ServiceRules, seconds: float, *, renew: bool = False) -> None:
        """Judge requests by ``rules``, and route and judge those to ``services``; returns when every request is treated so.

        That is for requests whose headers end from now on; on which connection they come makes no difference. A listener
        that listens nowhere, sent afterwards, shows when every worker goes by the change.
        With ``renew`` later requests go over new connections to their backends. Raises NotAccepted.
        """
        deadline = time.monotonic() + seconds
        if renew:
            self._number = next(self._numbers)
            self._cluster = message(request_resources.cluster(self._tuning, self._number))
        wanted = {each["name"]: message(each) for each in service_clusters(services, self._tuning, self._number)}
        members = {each["cluster_name"]: message(each) for each in service_endpoints(services)}
        self._backends |= wanted  # requests may still be going to those that are wanted no more
        self._members |= members
        if members:  # a cluster that waits for its members is none yet: routes come after them
            self._publish()
            self._server.await_accepted(self.node.name, seconds)
        self._routes = _routes(rules, services, self._tuning)
        self._publish()
        self._server.await_accepted(self.node.name, deadline - time.monotonic())
        before = created(self.process)
        self._mark = message(node_listeners.mark(next(self._numbers)))
        self._publish()
        self._server.await_accepted(self.node.name, deadline - time.monotonic())
        await_created(self.process, before + self._tuning.concurrency, deadline)
        if (self._backends, self._members) != (wanted, members):
            self._backends, self._members = wanted, members
            self._publish()
            self._server.await_accepted(self.node.name, deadline - time.monotonic())

    def latest_refusal(self, flow: tuple[str, str, int], asked: tuple[str, str] | None) -> RefusedRequest | None:
        """As ``RefusedRequests.latest`` of all that Envoy has refused by now."""
        await_written(self._refused, self.process)
        return self._refused.latest(*flow, asked)

    def forget_refusals(self) -> None:
        """Look no more at what was refused until now."""
        await_written(self._refused, self.process)
        self._refused.forget()

    def _publish(self) -> None:
        listeners = self._listeners if self._mark is None else (*self._listeners, self._mark)
        clusters = (self._cluster, *self._backends.values())
        members = tuple(self._members.values())
        snapshot = {CLUSTER: clusters, ENDPOINTS: members, LISTENER: listeners, ROUTES: self._routes}
        self._server.publish(self.node.name, snapshot)


def _routes(rules: RequestRules, services: ServiceRules, tuning: NodeTuning) -> tuple[Message, ...]:
    return (message(request_resources.routes(rules, tuning)), message(service_routes(services, tuning)))
