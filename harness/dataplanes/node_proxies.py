"""The Envoys of all nodes of a lab, as the mesh's judge of requests."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.dataplanes.request_law import RequestLaw, Told, blamed
from harness.dataplanes.routed import NO_FRONTS, Routed, routed
from harness.dataplanes.scopes import Ground, grounds, scopes
from harness.envoy.admission import Scope
from harness.envoy.ads import AdsServer
from harness.envoy.errors import EnvoyError
from harness.envoy.node_envoy import NodeEnvoy
from harness.envoy.node_tuning import NodeTuning
from harness.envoy.request_denials import RefusedRequest
from harness.envoy.request_rules import NONE
from harness.envoy.service_resources import ServiceRules
from harness.envoy.transparent import attach_script, detach_script, ruleset, service_sets
from harness.lab.port import Lab, LabError
from harness.lab.sockets import end_connections
from harness.mesh.grants import Cluster, Granted
from harness.mesh.layout import PROXY_MARK
from harness.model.origin import Origin

READY_SECONDS = 60.0
CONVERGENCE_SECONDS = 30.0
SOCKET = "xds.sock"


@dataclass(slots=True)
class _Judged:
    """What one Envoy judges by: ``law`` is in force, ``next`` is to be.

    ``told`` is what it has accepted, None where that is not known; ``exposed``, what its node's stack was told of Services.
    """

    told: Told | None = field(default_factory=lambda: Told(NONE, ServiceRules()))
    law: RequestLaw = field(default_factory=RequestLaw)
    number: int = 0
    next: RequestLaw = field(default_factory=RequestLaw)
    known: set[Ground] = field(default_factory=set)
    exposed: str = service_sets((), ())


class NodeProxies:
    """One Envoy a node; satisfies ``RequestJudge``. Methods raise EnvoyError and LabError."""

    def __init__(self, lab: Lab, tuning: NodeTuning) -> None:
        # a short name: paths of Unix sockets below it have 107 bytes
        self.folder = Path(tempfile.mkdtemp(prefix="envoy-", dir=lab.folder))
        self.folder.chmod(0o755)
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
        self.normalises = tuning.normalize_path
        self._server = AdsServer(self.folder / SOCKET)
        (self.folder / SOCKET).chmod(0o666)
        self.envoys: list[NodeEnvoy] = []
        for index, node in enumerate(lab.nodes):
            folder = self.folder / str(index)
            folder.mkdir()
            self.envoys.append(NodeEnvoy(node, folder, self._server, tuning, self._spawner))
        self._judged = {envoy: _Judged() for envoy in self.envoys}
        self._lab = lab
        self.fronts = NO_FRONTS
        """The Services and routes that the next change of policies or pods puts in force."""

    def start(self) -> None:
        """Start every Envoy; when all serve, have the nodes' stacks hand them what is marked."""

        def attach(envoy: NodeEnvoy) -> None:
            envoy.start(READY_SECONDS)
            outside = [host.host_ifname for host in envoy.node.outside]
            envoy.node.run(["sh", "-c", attach_script(PROXY_MARK)], stdin=ruleset(PROXY_MARK, outside))

        self._each(attach)

    def stop(self) -> None:
        """End every Envoy, and take the rules away."""

        def detach(envoy: NodeEnvoy) -> None:
            envoy.stop()
            with suppress(LabError):
                envoy.node.run(["sh", "-c", detach_script(PROXY_MARK)], check=False)

        try:
            self._each(detach)
        finally:
            self._server.close()
            self._spawner.shutdown()

    def prepare(self, result: Granted, cluster: Cluster) -> None:
        """Packets are judged by the policy in force, and soon by ``result``: refuse what either refuses.

        Requests to Services go where the new routes say from now on.
        """
        for envoy, judged in self._judged.items():
            pods = [pod.pod for pod in envoy.node.pods]
            local = [ip for pod in pods for ip in pod.ips]
            narrowed = scopes(result, cluster, local, judged.known)
            judged.next = RequestLaw(narrowed, routed(self.fronts, self._lab.topology, pods, result, cluster))
        try:
            self._each(lambda envoy: self._tell(envoy, self._next(envoy)))
            self._each(lambda envoy: self._expose(envoy, self._judged[envoy].next))
        except BaseException as error:
            with suppress(EnvoyError, LabError):
                self._each(lambda envoy: self._expose(envoy, self._judged[envoy].law))
                self._each(lambda envoy: self._tell(envoy, self._now(envoy)))
            raise blamed(error, [judged.next for judged in self._judged.values()]) from error

    def settle(self) -> None:
        """The policy that was prepared is in force: refuse what it refuses, and no more.

        A connection between an Envoy and a backend, or the backend's Envoy, that was opened under another policy may be
        cut by this one: where any node's has changed, later requests have new ones. Where only routes or pods have, clusters
        stay, with what they have counted.
        """
        changed = False
        for judged in self._judged.values():
            changed = (
                changed or judged.next.scopes != judged.law.scopes or judged.next.routed.scopes != judged.law.routed.scopes
            )
            if judged.next != judged.law:
                judged.number, judged.law = judged.number + 1, judged.next
            judged.known |= grounds(judged.law.scopes)
        self._each(lambda envoy: self._tell(envoy, self._now(envoy), renew=changed))
        for envoy in self.envoys:
            envoy.forget_refusals()

    def forget(self, addresses: Iterable[str]) -> None:
        """End connections of addresses that pods have given up."""
        gone = set(addresses)
        for envoy in self.envoys:
            self._judged[envoy].known = {each for each in self._judged[envoy].known if each.address not in gone}
            with envoy.node.entered():
                end_connections(gone)

    def latest_refusal(
        self, source: str, destination: str, port: int, asked: tuple[str, str] | None
    ) -> tuple[NodeEnvoy, RefusedRequest, Origin | None] | None:
        """The Envoy that refused a request last, what it says, and where the rule was written; the client's node first."""
        for envoy in sorted(self.envoys, key=lambda each: source not in _addresses(each)):
            found = envoy.latest_refusal((source, destination, port), asked)
            if found is not None:
                return envoy, found, self.rules_of(envoy).get(found.policy)
        return None

    def rules_of(self, envoy: NodeEnvoy) -> dict[str, Origin]:
        """Where the rules were written by which an Envoy refuses, now that they are in force, by its names for them."""
        judged = self._judged[envoy]
        return judged.law.origins(judged.number)

    def scopes_of(self, envoy: NodeEnvoy) -> Sequence[Scope]:
        """What an Envoy judges by, now that it is in force."""
        return self._judged[envoy].law.scopes

    def routed_of(self, envoy: NodeEnvoy) -> Routed:
        """What an Envoy does with requests to Services, now that it is in force."""
        return self._judged[envoy].law.routed

    def _now(self, envoy: NodeEnvoy) -> Told:
        judged = self._judged[envoy]
        return judged.law.told(judged.number)

    def _next(self, envoy: NodeEnvoy) -> Told:
        judged = self._judged[envoy]
        told = judged.told or self._now(envoy)
        if judged.next == judged.law:
            return told
        return judged.next.told(judged.number + 1).refusing_also(told)

    def _tell(self, envoy: NodeEnvoy, told: Told, *, renew: bool = False) -> None:
        judged = self._judged[envoy]
        if renew or told != judged.told:
            judged.told = None
            envoy.judge_by(told.rules, told.services, CONVERGENCE_SECONDS, renew=renew)
            judged.told = told

    def _expose(self, envoy: NodeEnvoy, law: RequestLaw) -> None:
        """Have the node's stack hand its Envoy what comes to the addresses of Services and Gateways."""
        judged = self._judged[envoy]
        hosts = law.routed.hosts
        public = {host.address for host in hosts if host.public}
        wanted = service_sets({(host.address, host.port) for host in hosts}, law.routed.local, public)
        if wanted != judged.exposed:
            envoy.node.run(["nft", "-f", "-"], stdin=wanted)
            judged.exposed = wanted

    def _each(self, step: Callable[[NodeEnvoy], None]) -> None:
        """One step at each Envoy, all at once; the first error is raised when all are through."""
        with ThreadPoolExecutor(max(1, len(self.envoys))) as pool:
            outcomes = [pool.submit(step, envoy) for envoy in self.envoys]
        for outcome in outcomes:
            outcome.result()


def _addresses(envoy: NodeEnvoy) -> set[str]:
    return {ip for pod in envoy.node.pods for ip in pod.pod.ips}
